import { OptionError } from '../base/errors.ts'
import type { ImageSystem } from './image-system.ts'

/** Every system of pictures by id: the name of its file. Loaded when asked for; a test compares this list with the folder. */
const loaders: Readonly<Record<string, () => Promise<{ readonly default: ImageSystem }>>> = {
  elm: () => import('./image/elm.ts'),
  flexvar: () => import('./image/flexvar.ts'),
  flowar: () => import('./image/flowar.ts'),
  himar: () => import('./image/himar.ts'),
  mar: () => import('./image/mar.ts'),
  maskgit: () => import('./image/maskgit.ts'),
  nar: () => import('./image/nar.ts'),
  nfig: () => import('./image/nfig.ts'),
  starflow: () => import('./image/starflow.ts'),
  var: () => import('./image/var.ts'),
  xar: () => import('./image/xar.ts'),
}

export const imageSystemIds: readonly string[] = Object.keys(loaders)

/** Throws OptionError on an unknown id. */
export async function loadImageSystem(id: string): Promise<ImageSystem> {
  const loader = Object.hasOwn(loaders, id) ? loaders[id] : undefined
  if (loader === undefined)
    throw new OptionError(`unknown system of pictures ${JSON.stringify(id)}`, { expected: `one of ${imageSystemIds.join(', ')}` })
  return (await loader()).default
}
