import { DataError } from '../../base/errors.ts'
import { openService, type Service } from '../../serve/index.ts'
import { readTemplateFile } from '../../systems/index.ts'
import { modelPath } from '../model.ts'
import type { ServiceFlags } from '../served-models.ts'

/** A service of the models that were named, which have said something: what is wrong with them comes out here, not in answers. */
export async function openFlagged(flags: ServiceFlags, signal: AbortSignal): Promise<Service> {
  const { model = [], concurrency, threads, context } = flags
  const models = await Promise.all(model.map(async (each) => ({ name: each.name, path: await modelPath(each.model) })))
  const chatTemplate = flags.chatTemplate === undefined ? undefined : await readTemplate(flags.chatTemplate)
  const limits = concurrency === undefined ? undefined : { runningRows: concurrency }
  const service = await openService({
    ...{ models, preload: models.map(({ name }) => name), chatTemplate, limits, threads, context },
    memoryBytes: bytesOf(flags.memory),
    prefixCacheBytes: bytesOf(flags.prefixCache),
  })
  try {
    await service.warmUp(signal)
    return service
  } catch (error) {
    await service[Symbol.asyncDispose]()
    throw error
  }
}

async function readTemplate(path: string): Promise<string> {
  const source = await readTemplateFile(path)
  if (source === undefined) throw new DataError(`there is no file '${path}'`, { expected: 'a chat template' })
  return source
}

function bytesOf(mebibytes: number | undefined): number | undefined {
  return mebibytes === undefined ? undefined : mebibytes * 2 ** 20
}
