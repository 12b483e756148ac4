import { readFileBytes } from '../platform/files.ts'
import { type ImageTokenizer, loadTaef2, type Taef2Options } from '../tokenizers/index.ts'

/** The published files have 2.7 MB each. */
const maxBytes = 2 ** 25

/**
 * TAEF2 from a folder with `taef2_encoder.safetensors` and `taef2_decoder.safetensors`. Throws DataError when one cannot be read, and
 * what `loadTaef2` throws.
 */
export async function openTaef2(folder: string, options: Taef2Options): Promise<ImageTokenizer> {
  const read = (half: string) => readFileBytes(`${folder}/taef2_${half}.safetensors`, { maxBytes })
  return loadTaef2({ encoder: await read('encoder'), decoder: await read('decoder') }, options)
}
