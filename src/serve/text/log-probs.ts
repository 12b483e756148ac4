import type { TextTokenizer } from '../../base/model.ts'
import type { GeneratedToken, TokenLogProb } from '../../decode/index.ts'
import { tokenText } from './token-texts.ts'

function named({ token, logProb }: TokenLogProb, tokenizer: TextTokenizer) {
  return { ...tokenText(tokenizer, token), logprob: logProb }
}

/** `logprobs.content` of chat completions: natural logarithms under the model's own distribution. */
export function contentLogProbs(tokens: readonly GeneratedToken[], tokenizer: TextTokenizer, top: number) {
  return tokens.map((token) => ({
    ...named(token, tokenizer),
    top_logprobs: (token.topLogProbs ?? []).slice(0, top).map((one) => named(one, tokenizer)),
  }))
}
