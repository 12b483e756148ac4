import { FormatError, OptionError } from '../../base/errors.ts'
import type { FitRequest } from '../forecaster-system.ts'
import { type NeuralDefinition, type NeuralSystemOptions, seesTogether, windowOf } from './neural-definition.ts'
import { headOf } from './neural-options.ts'
import { type Scaling, staticCount } from './scaling.ts'
import type { SeriesSizes } from './series-network.ts'

/** What a network is learnt from. */
export interface Learnt {
  readonly scaling: Scaling
  /** Of the series. */
  readonly ids: readonly string[]
  /** Features that stamps have. */
  readonly calendar: number
}

/** What a network is built for. */
export function sizesOf<Own>(
  definition: NeuralDefinition<NeuralSystemOptions<Own>>,
  options: NeuralSystemOptions<Own>,
  request: FitRequest,
  { scaling, ids, calendar }: Learnt,
): SeriesSizes {
  const { inputSize, block } = windowOf(definition, options, request)
  const { outputs, locations } = headOf(options)
  return {
    inputSize,
    horizon: block,
    variates: seesTogether(definition, options) ? ids.length : 1,
    marks: calendar + Object.keys(scaling.future).length + staticCount(scaling),
    calendar,
    covariates: Object.keys(scaling.past).length,
    outputs,
    locations,
    season: request.season,
  }
}

/** Throws FormatError on sizes that do not come from such options, whose network would not be the one that was learnt, and OptionError where it cannot work with them. */
export function checkSizes<Own>(
  definition: NeuralDefinition<NeuralSystemOptions<Own>>,
  options: NeuralSystemOptions<Own>,
  request: FitRequest,
  { sizes, ...learnt }: Omit<Learnt, 'calendar'> & { readonly sizes: SeriesSizes },
): void {
  const calendar = definition.uses.calendar ? sizes.calendar : 0
  const chosen = { ...options, inputSize: options.inputSize ?? sizes.inputSize }
  const expected = sizesOf(definition, chosen, request, { ...learnt, calendar })
  for (const name of Object.keys(expected) as (keyof SeriesSizes)[])
    if (sizes[name] !== expected[name])
      throw new FormatError(`the state of a '${definition.id}' forecaster: ${name} is ${sizes[name]}`, {
        expected: `${expected[name]}, as its options say`,
      })
  checkReach(definition, sizes, request.horizon)
  definition.check?.(options, sizes)
}

/** Throws OptionError where a forecast would go on from past covariates that nobody knows. */
export function checkReach<Options>(
  { id, reach }: Pick<NeuralDefinition<Options>, 'id' | 'reach'>,
  sizes: Pick<SeriesSizes, 'horizon' | 'covariates'>,
  horizon: number,
): void {
  if (reach === 'rolled' && sizes.covariates > 0 && horizon > sizes.horizon)
    throw new OptionError(`a horizon of ${horizon} of an '${id}' with past covariates that says ${sizes.horizon} steps at once`, {
      expected: `at most ${sizes.horizon}: past covariates are known up to the last value`,
      fix: 'as many steps as the horizon, or future covariates',
    })
}
