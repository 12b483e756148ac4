import { DataError, NextxError, OptionError } from '../base/errors.ts'
import { openFileSource } from '../platform/file-source.ts'
import { isFile, listFiles, regularFileSize } from '../platform/files.ts'
import { currentFolder } from '../platform/folders.ts'
import { isImageConfig } from '../systems/index.ts'
import { readJson } from '../systems/model-files.ts'
import type { Host, ModelSource } from './model-pool.ts'
import { type HostContext, openPictureHost } from './picture-host.ts'
import { openSeriesHost } from './series-host.ts'
import { openTextHost } from './text/open-text-host.ts'

/** A model that is served: what requests call it, and where it lies. */
export interface NamedModel {
  readonly name: string
  /** A GGUF file, a model folder, or a forecaster that was saved. */
  readonly path: string
}

export interface SourceContext extends HostContext {
  readonly chatTemplate: string | undefined
  readonly prefixCacheBytes: number
  readonly context: number | undefined
}

/** Says what a model is and how large, without loading it. Rejects with DataError when there is none. */
export async function modelSource({ name, path: given }: NamedModel, context: SourceContext): Promise<ModelSource> {
  const path = await currentFolder(given).catch(() => undefined)
  if (path === undefined)
    throw new DataError(`there is no model at '${given}'`, { expected: 'a GGUF file, a model folder, or a saved forecaster' })
  const kind = await kindOf(path)
  const bytes = await sizeOf(path)
  const open = { text: openText, pictures: openPictures, series: openSeries }[kind]
  return { name, kind, bytes, open: (signal) => open(path, bytes, context, signal) }
}

async function kindOf(path: string): Promise<Host['kind']> {
  if (await isFile(path)) return (await beginsAsJson(path)) ? 'series' : 'text'
  try {
    return isImageConfig(await readJson(path, 'config.json')) ? 'pictures' : 'text'
  } catch (error) {
    if (error instanceof NextxError) return 'text'
    throw error
  }
}

/** A saved forecaster is JSON, whatever its name; a GGUF file begins with those letters. */
async function beginsAsJson(path: string): Promise<boolean> {
  const source = await openFileSource(path)
  try {
    const bytes = await source.read(0, Math.min(1, source.byteLength))
    return bytes[0] === '{'.charCodeAt(0)
  } finally {
    await source[Symbol.asyncDispose]()
  }
}

const weightFile = /\.(safetensors|gguf|bin)$/i

/** Bytes of the files that hold weights. */
async function sizeOf(path: string): Promise<number> {
  const files = (await isFile(path)) ? [path] : (await listFiles(['*'], { folder: path })).filter((file) => weightFile.test(file))
  const sizes = await Promise.all(files.map(regularFileSize))
  return sizes.reduce((total, size) => total + size, 0)
}

function openText(path: string, bytes: number, context: SourceContext, signal: AbortSignal): Promise<Host> {
  return openTextHost(path, { ...context, bytes, signal })
}

function openPictures(path: string, bytes: number, context: SourceContext): Promise<Host> {
  return openPictureHost(path, bytes, context)
}

function openSeries(path: string, bytes: number, context: SourceContext): Promise<Host> {
  return openSeriesHost(path, bytes, context)
}

/** Throws OptionError on names that are empty, long or double, and where there is no model. */
export function checkNames(models: readonly NamedModel[]): void {
  if (models.length === 0) throw new OptionError('there is no model to serve', { expected: 'at least one' })
  const names = models.map(({ name }) => name)
  const odd = names.find((name, i) => name === '' || name.length > 200 || names.indexOf(name) !== i)
  if (odd !== undefined)
    throw new OptionError(`the model's name '${odd}' is empty, long or there twice`, { expected: 'names of their own' })
}
