import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'
import { parseConfig } from './read-config.ts'
import type { TextSystem } from './system.ts'

/** Every system by id: the name of its file. Loaded when asked for; a test compares this list with the folder. */
const loaders: Readonly<Record<string, () => Promise<{ readonly default: TextSystem }>>> = {
  gemma: () => import('./text/gemma.ts'),
  gemma2: () => import('./text/gemma2.ts'),
  gemma3: () => import('./text/gemma3.ts'),
  gpt: () => import('./text/gpt.ts'),
  gpt2: () => import('./text/gpt2.ts'),
  llama: () => import('./text/llama.ts'),
  mistral: () => import('./text/mistral.ts'),
  phi: () => import('./text/phi.ts'),
  phi3: () => import('./text/phi3.ts'),
  qwen2: () => import('./text/qwen2.ts'),
  qwen3: () => import('./text/qwen3.ts'),
  smollm3: () => import('./text/smollm3.ts'),
  'torch-encoder': () => import('./text/torch-encoder.ts'),
}

export const systemIds: readonly string[] = Object.keys(loaders)

/** Throws OptionError on an unknown id. */
export async function loadSystem(id: string): Promise<TextSystem> {
  const loader = Object.hasOwn(loaders, id) ? loaders[id] : undefined
  if (loader === undefined)
    throw new OptionError(`unknown system ${JSON.stringify(id)}`, { expected: `one of ${systemIds.join(', ')}` })
  return (await loader()).default
}

/** The system that reads a config.json, by its `model_type`, or by its fields where it has none. */
export async function systemForConfig(config: unknown): Promise<TextSystem> {
  const all = await Promise.all(systemIds.map(loadSystem))
  const untyped = all.find(({ recognizes }) => recognizes?.(config) === true)
  if (untyped !== undefined) return untyped
  const { model_type } = parseConfig(v.looseObject({ model_type: v.string() }), config, 'config.json')
  const system = all.find(({ modelTypes }) => modelTypes.includes(model_type))
  if (system !== undefined) return system
  const known = all.flatMap(({ modelTypes }) => modelTypes)
  throw new OptionError(`config.json: model_type ${JSON.stringify(model_type)} is not supported`, {
    expected: `one of ${known.join(', ')}`,
  })
}
