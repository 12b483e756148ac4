import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'
import { parseConfig } from './read-config.ts'
import type { TextSystem } from './system.ts'

/** Every system by id: the name of its file. Loaded when asked for; a test compares this list with the folder. */
const loaders: Readonly<Record<string, () => Promise<{ readonly default: TextSystem }>>> = {
  gpt: () => import('./text/gpt.ts'),
  llama: () => import('./text/llama.ts'),
}

export const systemIds: readonly string[] = Object.keys(loaders)

/** Throws OptionError on an unknown id. */
export async function loadSystem(id: string): Promise<TextSystem> {
  const loader = Object.hasOwn(loaders, id) ? loaders[id] : undefined
  if (loader === undefined)
    throw new OptionError(`unknown system ${JSON.stringify(id)}`, { expected: `one of ${systemIds.join(', ')}` })
  return (await loader()).default
}

/** The system that reads a config.json, by its `model_type`. */
export async function systemForConfig(config: unknown): Promise<TextSystem> {
  const { model_type } = parseConfig(v.looseObject({ model_type: v.string() }), config, 'config.json')
  const all = await Promise.all(systemIds.map(loadSystem))
  const system = all.find(({ modelTypes }) => modelTypes.includes(model_type))
  if (system !== undefined) return system
  const known = all.flatMap(({ modelTypes }) => modelTypes)
  throw new OptionError(`config.json: model_type ${JSON.stringify(model_type)} is not supported`, {
    expected: `one of ${known.join(', ')}`,
  })
}
