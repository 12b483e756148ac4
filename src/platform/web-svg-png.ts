import { DataError } from '../base/errors.ts'
import type { SvgToPngOptions } from './svg-png.ts'

// In a browser this module stands in for svg-png.ts.

/** Refuses: browsers show SVG, and draw it on a canvas. */
export async function svgToPng(_svg: string, _options: SvgToPngOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  throw new DataError('cannot make a PNG file in a browser', { fix: 'show the SVG as it is, or draw it on a canvas' })
}
