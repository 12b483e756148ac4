import * as v from 'valibot'
import { wholeNumber } from '../../base/options.ts'
import type { PictureSize } from '../../base/pictures.ts'

/** Channels, height and width, picked of whatever has them: pictures too say their size. */
export function pictureSize(
  channels: v.GenericSchema<number> = wholeNumber(1, 4),
  side: v.GenericSchema<number> = wholeNumber(1, 4096),
): v.GenericSchema<PictureSize> {
  return v.object({ channels, height: side, width: side })
}
