import { DataError } from '../base/errors.ts'
import { exists } from '../platform/files.ts'
import { currentFolder, listFolders } from '../platform/folders.ts'
import { openDevice } from '../platform/index.ts'
import { packageData } from '../platform/package-data.ts'
import { loadModel, type TextModel } from '../systems/index.ts'

/**
 * The folder of a model: the folder of that name, or the model of that name that ships with nextx.
 * @throws DataError when there is neither.
 */
export async function modelFolder(name: string): Promise<string> {
  const folder = await currentFolder(name).catch(() => undefined)
  if (folder !== undefined) return folder
  const shipped = await shippedModels()
  if (shipped.includes(name)) return packageData(name)
  throw new DataError(`there is no model '${name}'`, {
    expected: `a model folder, or one of the models that ship with nextx: ${shipped.join(', ')}`,
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
  const folder = await modelFolder(name)
  const device = await openDevice(threads === undefined ? {} : { threads })
  try {
    const model = await loadModel(folder, { device })
    try {
      return await work(model)
    } finally {
      await model[Symbol.asyncDispose]()
    }
  } finally {
    await device[Symbol.asyncDispose]()
  }
}
