import * as v from 'valibot'
import { wholeNumber } from '../../base/options.ts'
import { invalid } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'
import { checkStream, samplingFields } from '../sampling-fields.ts'
import { responseFormat } from '../text/output-form.ts'

const id = wholeNumber(0, 2 ** 31 - 1)
const ids = v.pipe(v.array(id), v.minLength(1))

export function completionSchema(limits: ServeLimits) {
  return v.strictObject({
    ...samplingFields(limits),
    /** A text, its ids, or several of either. */
    prompt: v.union(
      [v.string(), ids, v.pipe(v.array(v.union([v.string(), ids])), v.minLength(1), v.maxLength(limits.inputs))],
      `expected a text, a list of ids, or a list of at most ${limits.inputs} of them`,
    ),
    /** 0 with `echo` only: nothing is generated. */
    max_tokens: v.optional(wholeNumber(0, limits.answerTokens)),
    /** Tokens besides the chosen one; 0 is the chosen one alone. */
    logprobs: v.optional(wholeNumber(0, limits.topLogProbs)),
    echo: v.optional(v.boolean(), false),
    response_format: v.optional(responseFormat),
    /** No more answers are made than are given. */
    best_of: v.optional(wholeNumber(1)),
  })
}

export type CompletionBody = v.InferOutput<ReturnType<typeof completionSchema>>

/** Throws ApiError where fields do not go together. */
export function checkCompletion(body: CompletionBody): void {
  checkStream(body)
  const { best_of: best, n, max_tokens: most, echo, stream } = body
  if (best !== undefined && best !== n)
    throw invalid('best_of', `best_of is ${best} and n ${n}: all answers are given, or none made`)
  if (most === 0 && !echo) throw invalid('max_tokens', 'max_tokens is 0 and nothing is echoed')
  if (echo && stream) throw invalid('echo', 'an echo is not streamed', 'unsupported_combination')
}

/** Each prompt, as a text or as ids. */
export function promptsOf({ prompt }: CompletionBody): readonly (string | readonly number[])[] {
  return typeof prompt === 'string' || typeof prompt[0] === 'number'
    ? [prompt as string | number[]]
    : (prompt as (string | number[])[])
}
