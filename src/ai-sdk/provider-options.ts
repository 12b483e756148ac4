import { InvalidArgumentError, type SharedV3ProviderOptions } from '@ai-sdk/provider'
import * as v from 'valibot'
import { problemOf } from '../base/options.ts'

/** `providerOptions.nextx` of language models: what the SDK has no setting for. Ranges are the service's to check. */
export interface NextxLanguageOptions {
  readonly minP?: number
  readonly typicalP?: number
  readonly repetitionPenalty?: number
  readonly noRepeatNgram?: number
  /** Of tokens, by id. */
  readonly logitBias?: Readonly<Record<string, number>>
  /** An expression that the whole output matches. */
  readonly regex?: string
  /** A grammar of the output, in extended Backus–Naur form. */
  readonly grammar?: string
  /** The output is one of these. */
  readonly choices?: readonly string[]
  /** Log-probabilities of the tokens, and of so many others at each place; they come in `providerMetadata.nextx.logprobs`. */
  readonly logprobs?: boolean | number
  /** False: at most one call of a tool. */
  readonly parallelToolCalls?: boolean
  /** From -10 to 10; the higher, the earlier. */
  readonly priority?: number
  /** Kept states are shared only among requests of the same user. */
  readonly user?: string
}

/** `providerOptions.nextx` of models of pictures. */
export interface NextxImageOptions {
  /** One class for all pictures, or one for each; names, or labels. In the place of the prompt. */
  readonly class?: string | number | readonly (string | number)[]
  readonly guidance?: number
  readonly temperature?: number
  readonly topK?: number
  readonly topP?: number
  readonly steps?: number
}

const number = v.optional(v.number())
const text = v.optional(v.string())

const languageSchema = v.strictObject({
  minP: number,
  typicalP: number,
  repetitionPenalty: number,
  noRepeatNgram: number,
  logitBias: v.optional(v.record(v.string(), v.number())),
  regex: text,
  grammar: text,
  choices: v.optional(v.array(v.string())),
  logprobs: v.optional(v.union([v.boolean(), v.number()])),
  parallelToolCalls: v.optional(v.boolean()),
  priority: number,
  user: text,
})

const one = v.union([v.string(), v.number()])

const imageSchema = v.strictObject({
  class: v.optional(v.union([one, v.array(one)])),
  guidance: number,
  temperature: number,
  topK: number,
  topP: number,
  steps: number,
})

/** The fields of a request's body. Throws the SDK's InvalidArgumentError on unknown options and wrong types. */
export function languageFields(given: SharedV3ProviderOptions | undefined): Readonly<Record<string, unknown>> {
  const { logprobs, ...others } = read<NextxLanguageOptions>(languageSchema, given)
  const asked =
    logprobs === undefined || logprobs === false ? {} : { logprobs: true, ...(logprobs !== true && { top_logprobs: logprobs }) }
  return { ...wireNames(others), ...asked }
}

/** As `languageFields`, for pictures. */
export function imageFields(given: SharedV3ProviderOptions | undefined): Readonly<Record<string, unknown>> {
  return wireNames(read<NextxImageOptions>(imageSchema, given))
}

/** For what takes no options of nextx. */
export function refuseOptions(given: SharedV3ProviderOptions | undefined): void {
  read(v.strictObject({}), given)
}

function read<Options extends object>(
  schema: v.GenericSchema<unknown, unknown>,
  given: SharedV3ProviderOptions | undefined,
): Options {
  const options = given?.nextx ?? {}
  const problem = problemOf(schema, options)
  if (problem !== undefined)
    throw new InvalidArgumentError({ argument: 'providerOptions', message: `providerOptions.nextx: ${problem}` })
  return options as Options
}

/** `minP` as `min_p`. */
function wireNames(options: object): Readonly<Record<string, unknown>> {
  const wire = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [wire(name), value]))
}
