import * as v from 'valibot'
import { FormatError } from '../../base/errors.ts'
import type { ForecasterSystem } from '../forecaster-system.ts'
import { parseConfig } from '../read-config.ts'
import { fitNetwork } from './fit-network.ts'
import { fittedNetwork, fittedState, readWeights } from './fitted-network.ts'
import { drawsPaths, type NeuralDefinition, type NeuralSystemOptions, seesTogether, windowOf } from './neural-definition.ts'
import { checkNeural, headOf, neuralEntries } from './neural-options.ts'

/** Least windows to learn from. */
const leastWindows = 10

/** Counts have no other unit than their windows' deviation. */
function withCounts(value: unknown): unknown {
  const counts = (value as { readonly distribution?: unknown } | null)?.distribution === 'negative-binomial'
  return counts ? { normalization: 'standard', ...(value as object) } : value
}

/** A system from a definition; `entries` are the schemas of its own options. */
export function neuralForecaster<const Entries extends v.ObjectEntries>(
  entries: Entries,
  definition: NeuralDefinition<NeuralSystemOptions<v.InferOutput<v.StrictObjectSchema<Entries, undefined>>>>,
): ForecasterSystem<NeuralSystemOptions<v.InferOutput<v.StrictObjectSchema<Entries, undefined>>>> {
  type Options = NeuralSystemOptions<v.InferOutput<v.StrictObjectSchema<Entries, undefined>>>
  const schema = v.strictObject({
    ...neuralEntries(definition.defaults ?? {}),
    ...(definition.variates === 'either' && { variates: v.optional(v.picklist(['together', 'apart']), 'together') }),
    ...entries,
  }) as unknown as v.GenericSchema<unknown, Options>
  return {
    kind: 'forecaster',
    id: definition.id,
    source: definition.source,
    capabilities: (options) => ({
      past: definition.uses.past,
      future: definition.uses.future,
      static: definition.uses.static && !seesTogether(definition, options),
      missing: false,
      anyHorizon: definition.reach !== 'fitted',
      probabilistic: headOf(options).probabilistic,
      counts: options.distribution === 'negative-binomial',
      paths: drawsPaths(definition, options),
      multivariate: seesTogether(definition, options),
    }),
    readOptions(value) {
      const options = parseConfig(schema, withCounts(value), definition.id)
      checkNeural(options, definition.id)
      return options
    },
    minimumLength(options, request) {
      const { inputSize, block } = windowOf(definition, options, request)
      return inputSize + block + leastWindows - 1
    },
    fit: (frame, options, request) => fitNetwork(definition, options, frame, request),
    restore(state, options, request) {
      const parsed = v.safeParse(fittedState, state)
      if (!parsed.success)
        throw new FormatError(`the state of a '${definition.id}' forecaster`, { expected: 'what its state() gave' })
      return fittedNetwork({ definition, options, request, ...parsed.output, weights: readWeights(parsed.output.weights) })
    },
  }
}
