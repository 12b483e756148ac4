import { OptionError, RuntimeError } from '../base/errors.ts'
import { messageOf } from './ort-api.ts'

export interface SvgToPngOptions {
  /** Pixels for each unit of the SVG. Default 2. */
  readonly scale?: number
}

type Renderer = typeof import('@resvg/resvg-js')

/**
 * The PNG file of an SVG text, drawn with the machine's fonts.
 * @throws RuntimeError when the renderer does not load or the machine has no fonts; OptionError on a text that is no SVG and a scale not in (0, 16].
 */
export async function svgToPng(svg: string, { scale = 2 }: SvgToPngOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  if (!(scale > 0 && scale <= 16)) throw new OptionError(`a scale of ${scale}`, { expected: 'above 0, at most 16' })
  const { Resvg } = await loadRenderer()
  const font = { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' }
  const render = (text: string) => new Resvg(text, { fitTo: { mode: 'zoom', value: scale }, font, logLevel: 'off' })
  refuseWithoutFonts(render)
  try {
    return new Uint8Array(render(svg).render().asPng())
  } catch (cause) {
    throw new OptionError(`the SVG cannot be drawn: ${messageOf(cause)}`, { expected: 'the text of an SVG file', cause })
  }
}

async function loadRenderer(): Promise<Renderer> {
  try {
    return await import('@resvg/resvg-js')
  } catch (cause) {
    throw new RuntimeError(`@resvg/resvg-js does not load: ${messageOf(cause)}`, {
      expected: `its library for ${process.platform} ${process.arch}`,
      fix: 'npm install @resvg/resvg-js, or take the SVG as it is',
      cause,
    })
  }
}

/** Text without a font is left out in silence. */
function refuseWithoutFonts(render: (svg: string) => { getBBox(): unknown }): void {
  const letter =
    '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><text y="15" font-family="sans-serif">M</text></svg>'
  if (render(letter).getBBox() !== undefined) return
  throw new RuntimeError('there are no fonts to draw text with', {
    fix: 'install some (such as fonts-dejavu-core), or take the SVG as it is',
  })
}
