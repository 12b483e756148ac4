import type { CodeBatch } from '../../base/codes.ts'
import type { Channel } from '../../base/model.ts'
import { categoricalLogProb } from '../../heads/index.ts'
import { planReadout, type Traced } from '../../nn/index.ts'
import {
  add,
  constant,
  type Dimension,
  divide,
  gather,
  type Inputs,
  int32,
  matmul,
  mean,
  multiply,
  negate,
  slice,
  squeeze,
  sum,
  type Tensor,
} from '../../tensor/index.ts'
import type { ImageTokenizer } from '../../tokenizers/index.ts'
import { valueCount } from './choose-codes.ts'
import { fittingTokenizer } from './fit-tokenizer.ts'
import type { IdsNetwork } from './ids-sampler.ts'

/** Inputs of a network of ids: `values` `[batch, value, code]`, `label` `[batch]`. */
export function idsInputs(network: Pick<IdsNetwork, 'layout' | 'vocabulary'>, batch: Dimension | string): Inputs {
  return { values: int32(batch, valueCount(network), network.vocabulary.length), label: int32(batch) }
}

/** Feeds of `idsInputs`. */
export function idsFeed({ data }: CodeBatch, labels: Int32Array) {
  return { values: data as Int32Array, label: labels }
}

/** The vocabularies of a tokenizer whose values are ids. Throws MismatchError for another. */
export function vocabularyOf(tokenizer: ImageTokenizer, system: string): readonly number[] {
  return fittingTokenizer(system, tokenizer, { unit: 'ids' }).unit.vocabulary
}

/** Mean −log p of an id, in nats, over samples, values and codes, weighted as the plan has it. */
export function idsLoss(network: IdsNetwork, inputs: Traced): Tensor {
  const weights = channelsOf(network).flatMap(({ target, weight }) => [...weight].filter((_, slot) => target[slot]! >= 0))
  const total = weights.reduce((all, weight) => all + weight, 0) * network.vocabulary.length
  return negate(divide(mean(idsLogProb(network, inputs)), total))
}

/**
 * Σ log p of a sample's ids, in nats, weighted as the plan has it: `[batch]`. Where several channels predict a value, it is that of the weighted
 * mean of their logits, from which values are drawn.
 */
export function idsLogProb(network: IdsNetwork, inputs: Traced): Tensor {
  const logits = planReadout(network, inputs).logits!
  const channels = channelsOf(network)
  if (channels.length === 1) return channelLogProb(network, inputs.values!, logits, channels[0]!)
  const width = network.vocabulary.reduce((all, size) => all + size, 0)
  const perValue = channels.map((channel, index) =>
    matmul(valuesOfSlots(channel, valueCount(network)), slice(logits, -1, index * width, (index + 1) * width)),
  )
  const joined = perValue.reduce((a, b) => add(a, b))
  return sum(slotLogProb(network.vocabulary, joined, inputs.values!), -1)
}

/** What each slot counts for each value that it predicts, `[1, value, slot]`. */
function valuesOfSlots({ target, weight }: Channel, values: number): Tensor {
  const slots = target.length
  const shares = new Float32Array(values * slots)
  for (const [slot, value] of target.entries()) if (value >= 0) shares[value * slots + slot] = weight[slot]!
  return constant(shares, [1, values, slots])
}

function channelsOf({ plan }: IdsNetwork): readonly Channel[] {
  return [plan, ...(plan.channels ?? [])]
}

/** Logits `[batch, slot, Σ vocabulary]` of the only channel → Σ log p `[batch]`. */
function channelLogProb({ vocabulary }: IdsNetwork, values: Tensor, logits: Tensor, { target, weight }: Channel): Tensor {
  const slots = [...target.keys()].filter((slot) => target[slot]! >= 0)
  const own = chosen(logits, slots)
  const ids = chosen(
    values,
    slots.map((slot) => target[slot]!),
  )
  const weights = constant(
    slots.map((slot) => weight[slot]!),
    [1, slots.length],
  )
  return sum(multiply(slotLogProb(vocabulary, own, ids), weights), -1)
}

/** log p of all codes of a slot together: logits `[batch, slot, Σ vocabulary]`, ids `[batch, slot, code]` → `[batch, slot]`. */
export function slotLogProb(vocabulary: readonly number[], logits: Tensor, ids: Tensor): Tensor {
  let start = 0
  const each = vocabulary.map((size, code) => {
    const scores = slice(logits, -1, start, start + size)
    start += size
    return categoricalLogProb(scores, squeeze(slice(ids, -1, code, code + 1), -1))
  })
  return each.reduce((a, b) => add(a, b))
}

/** Entries of axis 1; all of them, where they are in order, without the cost of choosing. */
function chosen(tensor: Tensor, entries: readonly number[]): Tensor {
  if (entries.length === tensor.shape[1] && entries.every((entry, i) => entry === i)) return tensor
  return gather(tensor, constant(Int32Array.from(entries), [entries.length], 'int32'), 1)
}
