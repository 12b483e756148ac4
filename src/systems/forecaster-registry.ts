import { OptionError } from '../base/errors.ts'
import type { ForecasterSystem } from './forecaster-system.ts'

/**
 * What it takes to fit a method: next to nothing; a search for each series, tenths of a second a series; or learning in steps, minutes for all.
 */
export type ForecasterCost = 'instant' | 'search' | 'training'

type Loaders = Readonly<Record<string, () => Promise<{ readonly default: ForecasterSystem }>>>

/** Every method of forecasting by id: the name of its file. Loaded when asked for; a test compares this list with the folder. */
const loadersByCost: Readonly<Record<ForecasterCost, Loaders>> = {
  instant: {
    drift: () => import('./series/drift.ts') as Promise<{ readonly default: ForecasterSystem }>,
    'last-value': () => import('./series/last-value.ts') as Promise<{ readonly default: ForecasterSystem }>,
    ridge: () => import('./series/ridge.ts') as Promise<{ readonly default: ForecasterSystem }>,
    'seasonal-naive': () => import('./series/seasonal-naive.ts') as Promise<{ readonly default: ForecasterSystem }>,
    theta: () => import('./series/theta.ts') as Promise<{ readonly default: ForecasterSystem }>,
  },
  search: {
    ets: () => import('./series/ets.ts') as Promise<{ readonly default: ForecasterSystem }>,
  },
  training: {
    arnet: () => import('./series/arnet.ts') as Promise<{ readonly default: ForecasterSystem }>,
    autoformer: () => import('./series/autoformer.ts') as Promise<{ readonly default: ForecasterSystem }>,
    gateformer: () => import('./series/gateformer.ts') as Promise<{ readonly default: ForecasterSystem }>,
    gpht: () => import('./series/gpht.ts') as Promise<{ readonly default: ForecasterSystem }>,
    informer: () => import('./series/informer.ts') as Promise<{ readonly default: ForecasterSystem }>,
    itransformer: () => import('./series/itransformer.ts') as Promise<{ readonly default: ForecasterSystem }>,
    smamba: () => import('./series/smamba.ts') as Promise<{ readonly default: ForecasterSystem }>,
    spacetime: () => import('./series/spacetime.ts') as Promise<{ readonly default: ForecasterSystem }>,
  },
}

const loaders: Loaders = { ...loadersByCost.instant, ...loadersByCost.search, ...loadersByCost.training }

export const forecasterIds: readonly string[] = Object.keys(loaders).sort()

/** Undefined for an unknown id. */
export function forecasterCost(id: string): ForecasterCost | undefined {
  return (Object.keys(loadersByCost) as ForecasterCost[]).find((cost) => Object.hasOwn(loadersByCost[cost], id))
}

/** Throws OptionError on an unknown id. */
export async function loadForecaster(id: string): Promise<ForecasterSystem> {
  const loader = Object.hasOwn(loaders, id) ? loaders[id] : undefined
  if (loader === undefined)
    throw new OptionError(`unknown method of forecasting ${JSON.stringify(id)}`, { expected: `one of ${forecasterIds.join(', ')}` })
  return (await loader()).default
}
