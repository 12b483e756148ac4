import * as v from 'valibot'
import { checkOptions, wholeNumber } from '../base/options.ts'

const minutes = 60_000 // ms

const most = (standard: number, least = 1) => v.optional(wholeNumber(least, 2 ** 31 - 1), standard)

/** Everything that bounds a service, with what holds where nothing is said. */
export const limitsSchema = v.strictObject({
  /** Requests that wait for a row, of each model. */
  queuedRequests: most(128, 0),
  /** Prompt tokens that wait, of each model; a single request always may. */
  queuedTokens: most(2 ** 18, 0),
  /** Sequences that run at once, of each model. */
  runningRows: most(16),
  /** Characters of a prompt, or of all messages of a conversation: what is looked at before it is cut into tokens. */
  promptCharacters: most(2 ** 19),
  /** Tokens of a prompt, where the model's context allows more. */
  promptTokens: most(2 ** 20),
  /** Tokens of an answer; also what is generated where a request says nothing, if the context has room. */
  answerTokens: most(2 ** 16),
  /** `n`: answers to one prompt. */
  choices: most(16),
  /** Prompts, or texts to embed or to score, of one request. */
  inputs: most(256),
  /** Messages of a conversation. */
  messages: most(2048),
  /** Tools that a request describes. */
  tools: most(128),
  /** Texts that end an answer. */
  stops: most(16),
  /** Characters of one of them. */
  stopCharacters: most(256),
  /** Tokens with a bias. */
  logitBias: most(1024),
  /** `top_logprobs` of each token. */
  topLogProbs: most(20, 0),
  /** Bytes of a request's body. */
  bodyBytes: most(4 * 2 ** 20),
  /** Bytes of the bodies of all requests that are being read or answered; a single one always may. */
  allBodiesBytes: most(256 * 2 ** 20),
  /** Arrays and objects within one another, of a body. */
  bodyDepth: most(64),
  /** Arrays, objects and members of objects of a body: what takes long to read. */
  bodyParts: most(50_000),
  /** Bytes of a request's headers. */
  headerBytes: most(16 * 2 ** 10),
  /** Characters of a schema or a grammar. */
  schemaCharacters: v.optional(wholeNumber(1, 2 ** 24), 64 * 2 ** 10),
  /** Objects within one another, of a schema. */
  schemaDepth: v.optional(wholeNumber(1, 256), 32),
  /** Milliseconds to make a grammar of a schema. */
  grammarTime: most(5_000),
  /** Pictures of one request. */
  pictures: most(16),
  /** Values of all series of one request. */
  seriesValues: most(1_000_000),
  /** Steps of a forecast. */
  horizon: most(10_000),
  /** Connections at once. */
  connections: most(1024),
  /** Milliseconds until the headers of a request are there. */
  headersTime: most(10_000),
  /** Milliseconds until all of a request is there. */
  requestTime: most(minutes),
  /** Milliseconds from a request to the last token of its answer. */
  totalTime: most(15 * minutes),
  /** Milliseconds from a request to the first token of its answer. */
  firstTokenTime: most(5 * minutes),
  /** Milliseconds from one token to the next. */
  nextTokenTime: most(minutes),
  /** Milliseconds of silence after which a stream says that it lives. */
  silence: v.optional(wholeNumber(10, 15_000), 10_000),
  /** Milliseconds that running requests are given to end when the service drains. */
  drainTime: most(minutes),
})

/** What bounds a service. Printed at its start. */
export type ServeLimits = { readonly [Name in keyof (typeof limitsSchema)['entries']]: number }

/**
 * All limits, those not given at their defaults. Throws OptionError on an unknown limit or a value out of range.
 * @example
 * const limits = serveLimits({ runningRows: 4 })
 */
export function serveLimits(given: Partial<ServeLimits> = {}): ServeLimits {
  checkOptions(limitsSchema, given, 'limits')
  return Object.freeze(v.parse(limitsSchema, given))
}
