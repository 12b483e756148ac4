import { OptionError, ShapeError } from '../base/errors.ts'
import { AdaptiveBlock, Attention, type AttentionCall, gelu, normal, unplaced, zeros } from '../nn/index.ts'
import { constant, type Dimension, expand, reshape, type Tensor } from '../tensor/index.ts'
import { describeType } from '../tensor/tensor.ts'
import { FieldFrame, type FieldNetwork, type FieldSizes } from './field-mlp.ts'

/**
 * The transformer of a group: all its slots are denoised together and see one another, each conditioned on its own hidden state and the
 * time. Where a slot stands it knows from its hidden state. Ren et al. 2024 (FlowAR).
 */
export class FieldTransformer implements FieldNetwork {
  readonly frame: FieldFrame
  readonly blocks: readonly AdaptiveBlock[]

  constructor(sizes: FieldSizes, heads: number) {
    const { hidden, layers } = sizes
    const linear = { weight: normal(0.02), bias: zeros }
    const positions = unplaced()({ width: hidden, context: 0 })
    const block = () =>
      new AdaptiveBlock({
        attention: new Attention({ heads, width: hidden, linear, output: linear, positions }),
        mlp: gelu(4 * hidden)({ width: hidden, linear, output: linear }),
        width: hidden,
        condition: hidden,
      })
    this.frame = new FieldFrame(sizes)
    this.blocks = Array.from({ length: layers }, block)
  }

  forward(values: Tensor, time: Tensor, hidden: Tensor, groups?: readonly number[]): Tensor {
    if (hidden.rank !== 3) {
      throw new ShapeError(`hidden states ${describeType(hidden)} for a head of groups`, { expected: '[batch, slot, width]' })
    }
    const condition = this.frame.conditionOf(time, hidden)
    const slots = values.shape.at(-2)!
    const rows = (x: Tensor) => reshape(expand(x, [...values.shape.slice(0, -1), x.shape.at(-1)!]), [-1, slots, x.shape.at(-1)!])
    const [x, under] = [rows(this.frame.input.forward(values)), rows(condition)]
    const bias = groupBias(slots, groups)
    const position = constant(Int32Array.of(0), [1, 1], 'int32')
    const attention: AttentionCall = (layer, normed) => layer.forward(normed, bias, position)
    const through = this.blocks.reduce((at, block, layer) => block.forward(at, under, attention, layer).output, x)
    return reshape(this.frame.finish(through, under), values.shape)
  }
}

/** Additive mask `[1, 1, slot, slot]` that keeps attention within groups; `[1, 1, 1, 1]` where there is one. */
function groupBias(slots: Dimension, groups: readonly number[] | undefined): Tensor {
  if (groups === undefined) return constant(Float32Array.of(0), [1, 1, 1, 1])
  const groupOf = groups.flatMap((size, group) => new Array<number>(size).fill(group))
  if (groupOf.length !== slots)
    throw new OptionError(`groups of ${groups.join(' + ')} slots`, { expected: `${String(slots)} slots in all` })
  const bias = groupOf.flatMap((query) => groupOf.map((key) => (key === query ? 0 : -1e9)))
  return constant(Float32Array.from(bias), [1, 1, groupOf.length, groupOf.length])
}
