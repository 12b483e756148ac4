import { DataError, NextxError } from '../base/errors.ts'
import { exists } from '../platform/files.ts'
import { currentFolder, listFolders } from '../platform/folders.ts'
import { openDevice } from '../platform/index.ts'
import { packageData } from '../platform/package-data.ts'
import {
  type ImageModel,
  isImageConfig,
  type LoadModelOptions,
  loadImageModel,
  loadModel,
  type TextModel,
} from '../systems/index.ts'
import { readJson } from '../systems/model-files.ts'
import type { Modality } from './modality.ts'
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

/**
 * What a model makes. What cannot be read counts as text, whose loading says what is wrong.
 * @throws DataError when there is no such model.
 */
export async function modalityOf(name: string): Promise<Modality> {
  return (await isPictureModel(await modelPath(name))) ? 'pictures' : 'text'
}

/** Whether a folder's model is of pictures. */
export async function isPictureModel(path: string): Promise<boolean> {
  try {
    return isImageConfig(await readJson(path, 'config.json'))
  } catch (error) {
    if (error instanceof NextxError) return false
    throw error
  }
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
  if (await isPictureModel(path)) throw new DataError(`the model '${name}' is of pictures`, { expected: 'a language model' })
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

/** Opens a model of pictures on a device of its own, and closes both when the work is done. */
export async function withImageModel<T>(
  name: string,
  { threads, signal }: Pick<ModelRequest, 'threads' | 'signal'>,
  work: (model: ImageModel) => Promise<T>,
): Promise<T> {
  const path = await modelPath(name)
  const device = await openDevice(threads === undefined ? {} : { threads })
  try {
    const model = await loadImageModel(path, { device })
    try {
      signal?.throwIfAborted()
      return await work(model)
    } finally {
      await model[Symbol.asyncDispose]()
    }
  } finally {
    await device[Symbol.asyncDispose]()
  }
}

/** Smaller models are there before a bar is read. */
const leastShown = 100_000_000 // bytes

function showLoading(bar: Bar, done: number, total: number): void {
  if (total >= leastShown) bar.show(Math.round(done / 1e6), Math.round(total / 1e6))
}
