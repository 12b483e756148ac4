import { DataError } from '../base/errors.ts'
import { exists } from '../platform/files.ts'
import { currentFolder, listFolders } from '../platform/folders.ts'
import { openDevice } from '../platform/index.ts'
import { packageData } from '../platform/package-data.ts'
import { type LoadModelOptions, loadModel, type TextModel } from '../systems/index.ts'
import { type Bar, openBar } from './progress.ts'

/**
 * Where a model lies: a GGUF file or a folder, or the model of that name that ships with nextx.
 * @throws DataError when there is none.
 */
export async function modelPath(name: string): Promise<string> {
  const own = await currentFolder(name).catch(() => undefined)
  if (own !== undefined) return own
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

/** How a command wants its model. */
export interface ModelRequest extends Pick<LoadModelOptions, 'weights' | 'context' | 'rotaryScaling' | 'signal'> {
  readonly threads?: number
}

/** Opens a model on a device of its own, and closes both when the work is done. */
export async function withModel<T>(
  name: string,
  { threads, weights, context, rotaryScaling, signal }: ModelRequest,
  work: (model: TextModel) => Promise<T>,
): Promise<T> {
  const path = await modelPath(name)
  const device = await openDevice(threads === undefined ? {} : { threads })
  const bar = openBar('loading', 'MB')
  try {
    const asked = { ...(weights && { weights }), ...(context && { context }), ...(rotaryScaling && { rotaryScaling }) }
    const onProgress = (done: number, total: number) => showLoading(bar, done, total)
    const model = await loadModel(path, { device, ...asked, ...(signal && { signal }), onProgress })
    try {
      bar.close()
      signal?.throwIfAborted()
      return await work(model)
    } finally {
      await model[Symbol.asyncDispose]()
    }
  } finally {
    bar.close()
    await device[Symbol.asyncDispose]()
  }
}

/** Smaller models are there before a bar is read. */
const leastShown = 100_000_000 // bytes

function showLoading(bar: Bar, done: number, total: number): void {
  if (total >= leastShown) bar.show(Math.round(done / 1e6), Math.round(total / 1e6))
}
