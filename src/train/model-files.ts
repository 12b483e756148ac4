import type { HostTensor } from '../base/dtype.ts'
import { MismatchError, OptionError } from '../base/errors.ts'
import { readSafetensors, safetensorsPieces } from '../formats/safetensors.ts'
import { checkFit, type Module, namedVariables, readVariables, writeVariables } from '../nn/index.ts'
import { sha256 } from '../platform/digest.ts'
import { exists, readFileBytes } from '../platform/files.ts'
import { currentFolder, type FileContent, pathIn, writeFolderAtomic } from '../platform/folders.ts'

/** Files that belong to a model besides its weights: configuration, vocabulary. Contents by plain file name. */
export type CompanionFiles = Readonly<Record<string, string | Uint8Array>>

export const modelFile = 'model.safetensors'
const digestKey = 'sha256:'

/**
 * Writes `model.safetensors` (every variable by its dotted name) and the companion files. The folder changes as a whole: whatever
 * happens, it holds all old files or all new ones. The weights remember the companions' SHA-256, so that a vocabulary that was exchanged
 * later is noticed.
 * @throws DataError when the folder holds other things than a former save, or cannot be written
 * @example
 * class Scale { readonly weight = parameter([3], ones) }
 * await saveModule('scale', new Scale(), { 'config.json': '{}' })
 */
export async function saveModule(folder: string, module: Module, files: CompanionFiles = {}): Promise<void> {
  await writeFolderAtomic(folder, modelContents(await readVariables(namedVariables(module)), files))
}

/**
 * Gives a module the values that `saveModule` wrote. No variable changes unless all fit.
 * @throws MismatchError listing missing, unexpected and differently shaped tensors, or companion files that are not the ones saved with
 * the weights; FormatError or DataError when a file is damaged or missing
 */
export async function loadModule(folder: string, module: Module): Promise<void> {
  const current = await currentFolder(folder)
  const path = pathIn(current, modelFile)
  const { tensors, metadata } = readSafetensors(await readFileBytes(path))
  await checkCompanions(current, metadata)
  const variables = namedVariables(module)
  checkFit(variables, tensors, `'${path}'`)
  await writeVariables(variables, tensors)
}

/** The files of a saved model. */
export function modelContents(tensors: ReadonlyMap<string, HostTensor>, files: CompanionFiles): Map<string, FileContent> {
  const companions = Object.entries(files)
  if (Object.hasOwn(files, modelFile)) throw new OptionError(`the companion file ${modelFile} would replace the weights`)
  const digests = companions.map(([name, content]) => [`${digestKey}${name}`, sha256([bytesOf(content)])] as const)
  // Readers of the Hugging Face family refuse weights without a known `format`.
  const metadata = new Map([['format', 'pt'], ...digests])
  return new Map<string, FileContent>([[modelFile, safetensorsPieces(tensors, metadata)], ...companions])
}

/** The bytes that a file's content becomes. */
export function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === 'string' ? new TextEncoder().encode(content) : content
}

/**
 * Compares the files beside the weights with what the weights remember of them.
 * @throws MismatchError when one was exchanged or is missing
 */
export async function checkCompanions(folder: string, metadata: ReadonlyMap<string, string>): Promise<void> {
  for (const [key, digest] of metadata) {
    if (!key.startsWith(digestKey)) continue
    const name = key.slice(digestKey.length)
    const path = pathIn(folder, name)
    const same = /[/\\]/.test(name) ? false : (await exists(path)) && sha256([await readFileBytes(path)]) === digest
    if (!same) {
      throw new MismatchError(`${name} in '${folder}' is not the one that the weights were saved with`, {
        fix: 'put the original file back, or save the model again',
      })
    }
  }
}
