import { disposeModule, nameVariables } from '../nn/index.ts'
import { currentFolder } from '../platform/folders.ts'
import { buildImageTokenizer } from '../tokenizers/image/build.ts'
import type { ImageTokenizer, ImageTokenizerFile } from '../tokenizers/image/image-tokenizer.ts'
import { type CompanionFiles, loadModule, saveModule } from '../train/index.ts'
import { readJson, tokenizerFileName } from './model-files.ts'

/**
 * Writes a folder with the tokenizer's description and weights, which `loadImageTokenizer` reads back. It changes as a whole. Throws
 * DataError when it cannot be written, or holds other things than a former save.
 */
export async function saveImageTokenizer(tokenizer: ImageTokenizer, folder: string): Promise<void> {
  await saveModule(folder, tokenizer, imageTokenizerFiles(tokenizer))
}

/** The files that belong to a tokenizer besides its weights; for `fit`'s checkpoints, too. */
export function imageTokenizerFiles(tokenizer: ImageTokenizer): CompanionFiles {
  return { [tokenizerFileName]: `${JSON.stringify(tokenizer.toJSON())}\n` }
}

/**
 * The tokenizer of a folder that `saveImageTokenizer` or `fit` wrote. Throws DataError when a file is missing, FormatError when one is
 * malformed, MismatchError when they do not belong together.
 */
export async function loadImageTokenizer(folder: string): Promise<ImageTokenizer> {
  const file = await readJson(await currentFolder(folder), tokenizerFileName)
  const tokenizer = buildImageTokenizer(file as ImageTokenizerFile)
  nameVariables(tokenizer)
  try {
    await loadModule(folder, tokenizer)
    return tokenizer
  } catch (error) {
    await disposeModule(tokenizer)
    throw error
  }
}
