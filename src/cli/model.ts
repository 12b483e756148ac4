import { DataError } from '../base/errors.ts'
import { exists } from '../platform/files.ts'
import { currentFolder, listFolders } from '../platform/folders.ts'
import { openDevice } from '../platform/index.ts'
import { packageData } from '../platform/package-data.ts'
import { loadModel, type TextModel } from '../systems/index.ts'

/**
 * Where a model lies: a GGUF file, the folder of that name, or the model of that name that ships with nextx.
 * @throws DataError when there is none.
 */
export async function modelPath(name: string): Promise<string> {
  if (name.endsWith('.gguf') && (await exists(name))) return name
  const folder = await currentFolder(name).catch(() => undefined)
  if (folder !== undefined) return folder
  const shipped = await shippedModels()
  if (shipped.includes(name)) return packageData(name)
  throw new DataError(`there is no model '${name}'`, {
    expected: `a GGUF file, a model folder, or one of the models that ship with nextx: ${shipped.join(', ')}`,
  })
}

async function shippedModels(): Promise<string[]> {
  const models: string[] = []
  for (const name of await listFolders(packageData(''))) if (await exists(`${packageData(name)}/config.json`)) models.push(name)
  return models
}

/** Opens a model on a device of its own, and closes both when the work is done. */
export async function withModel<T>(
  name: string,
  { threads }: { readonly threads?: number },
  work: (model: TextModel) => Promise<T>,
): Promise<T> {
  const path = await modelPath(name)
  const device = await openDevice(threads === undefined ? {} : { threads })
  try {
    const model = await loadModel(path, { device })
    try {
      return await work(model)
    } finally {
      await model[Symbol.asyncDispose]()
    }
  } finally {
    await device[Symbol.asyncDispose]()
  }
}
