import { OptionError } from '../base/errors.ts'

/** How well data was predicted, per unit; natural logarithms unless bits are named. */
export interface LikelihoodMetrics {
  readonly natsPerToken: number
  readonly bitsPerToken: number
  readonly natsPerByte: number
  readonly bitsPerByte: number
  /** exp(natsPerToken). */
  readonly perplexity: number
}

/**
 * Per-unit figures of a total log-probability (in nats) over `tokens` tokens that stand for `bytes` bytes.
 * @throws OptionError unless there is at least one of each
 * @example
 * likelihoodMetrics({ logProb: -8 * Math.LN2, tokens: 4, bytes: 8 }).bitsPerByte // 1
 */
export function likelihoodMetrics({
  logProb,
  tokens,
  bytes,
}: {
  logProb: number
  tokens: number
  bytes: number
}): LikelihoodMetrics {
  if (!(tokens > 0 && bytes > 0)) throw new OptionError(`${tokens} tokens and ${bytes} bytes`, { expected: 'at least one of each' })
  const [natsPerToken, natsPerByte] = [-logProb / tokens, -logProb / bytes]
  return {
    natsPerToken,
    bitsPerToken: natsPerToken / Math.LN2,
    natsPerByte,
    bitsPerByte: natsPerByte / Math.LN2,
    perplexity: Math.exp(natsPerToken),
  }
}
