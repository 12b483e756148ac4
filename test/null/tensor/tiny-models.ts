import { elementCount } from '../../../src/base/dtype.ts'
import { createRng } from '../../../src/base/rng.ts'
import { Linear, layerNorm, namedVariables, nameVariables, normal, zeros } from '../../../src/nn/index.ts'
import { negativeLogLikelihood } from '../../../src/objectives/likelihood.ts'
import { raster } from '../../../src/orders/index.ts'
import gpt from '../../../src/systems/text/gpt.ts'
import llama from '../../../src/systems/text/llama.ts'
import {
  conv1d,
  conv2d,
  convTranspose1d,
  float32,
  gelu,
  type InputSpec,
  int32,
  mean,
  parameter,
  relu,
  reshape,
  square,
  subtract,
  type Tensor,
  type Variable,
} from '../../../src/tensor/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'
import { noise } from './finite-differences.ts'

/** A model with a loss, values for its inputs, and values for its variables. */
export interface TinyModel {
  readonly module: object
  readonly specs: Readonly<Record<string, InputSpec>>
  readonly inputs: Readonly<Record<string, ReferenceValue>>
  readonly variables: ReadonlyMap<Variable, ReferenceValue>
  loss(inputs: Readonly<Record<string, Tensor>>): Tensor
}

const [batch, slots, vocabularySize] = [2, 6, 11]
const sizes = { vocabularySize, context: 8, width: 8, layers: 2, heads: 2, hidden: 12 }

/** Random values large enough for gradients to matter; norms' scales around 1. */
function randomValues(module: object): Map<Variable, ReferenceValue> {
  nameVariables(module)
  const values = [...namedVariables(module)].map(([name, variable]) => {
    const [shape, rng] = [variable.concreteShape, createRng(3).fold(name)]
    const center = /norm.*weight$/.test(name) ? 1 : 0
    const data = Float64Array.from({ length: elementCount(shape) }, (_, i) => Math.fround(center + 0.4 * rng.normalAt(i)))
    return [variable, { shape, data }] as const
  })
  return new Map(values)
}

function language(system: typeof gpt | typeof llama, options: Record<string, unknown>): TinyModel {
  const network = (system as typeof gpt).build(options as never)
  const plan = raster().plan({ parts: [{ shape: [slots] }] })
  const rng = createRng(4)
  const shape = [batch, slots]
  const draw = (label: string, of: (i: number) => number) => ({
    shape,
    data: Float64Array.from({ length: batch * slots }, (_, i) => of(i + label.length * 1000)),
  })
  return {
    module: network,
    specs: { ids: int32(batch, slots), targets: int32(batch, slots), weights: float32(batch, slots) },
    inputs: {
      ids: draw('ids', (i) => rng.integerAt(i, vocabularySize)),
      targets: draw('targets', (i) => rng.integerAt(i, vocabularySize)),
      weights: draw('weights', (i) => (rng.uniformAt(i) < 0.2 ? 0 : 1)),
    },
    variables: randomValues(network),
    loss: ({ ids, targets, weights }) =>
      negativeLogLikelihood({ backbone: network.model, head: network.lm_head }, plan, ids!, targets!, weights!),
  }
}

class Perceptron {
  readonly up = new Linear(5, 7, { bias: zeros })
  readonly norm = layerNorm()(7)
  readonly down = new Linear(7, 3, { bias: zeros })
  forward(x: Tensor): Tensor {
    return this.down.forward(this.norm.forward(gelu(this.up.forward(x))))
  }
}

function regression(): TinyModel {
  const network = new Perceptron()
  const rng = createRng(8)
  const value = (shape: number[], offset: number) => ({
    shape,
    data: Float64Array.from({ length: elementCount(shape) }, (_, i) => Math.fround(rng.normalAt(offset + i))),
  })
  return {
    module: network,
    specs: { x: float32('N', 5), y: float32('N', 3) },
    inputs: { x: value([4, 5], 0), y: value([4, 3], 100) },
    variables: randomValues(network),
    loss: ({ x, y }) => mean(square(subtract(network.forward(x!), y!))),
  }
}

class ConvolutionNetwork {
  readonly first = parameter([4, 2, 3, 2], normal(0.3))
  readonly second = parameter([6, 2, 2, 2], normal(0.3))
  readonly line = parameter([3, 6, 3], normal(0.3))
  readonly back = parameter([3, 2, 4], normal(0.3))
  readonly norm = layerNorm()(5)

  /** `[batch, 2, 6, 7]` → `[batch, 2, 7]`. */
  forward(x: Tensor): Tensor {
    const wide = gelu(
      conv2d(x, this.first, {
        stride: [2, 1],
        padding: [
          [1, 1],
          [0, 0],
        ],
      }),
    )
    const grouped = conv2d(wide, this.second, { groups: 2, dilation: [2, 1] })
    const lines = this.norm.forward(reshape(grouped, [grouped.shape[0]!, 6, 5]))
    const short = relu(conv1d(lines, this.line, { padding: [[2, 0]], stride: 2 }))
    return convTranspose1d(short, this.back, { stride: 2, padding: 1, outputPadding: 1 })
  }
}

const rounded = ({ shape, data }: ReferenceValue) => ({ shape, data: data.map(Math.fround) })

function images(): TinyModel {
  const network = new ConvolutionNetwork()
  return {
    module: network,
    specs: { x: float32('N', 2, 6, 7), y: float32('N', 2, 7) },
    inputs: { x: rounded(noise('images', [3, 2, 6, 7])), y: rounded(noise('targets', [3, 2, 7])) },
    variables: randomValues(network),
    loss: ({ x, y }) => mean(square(subtract(network.forward(x!), y!))),
  }
}

/** Fresh models by name. */
export const tinyModels: Readonly<Record<string, () => TinyModel>> = {
  'gpt, tied': () => language(gpt, { ...sizes, bias: true, head: 'tied' }),
  'gpt, separate head': () => language(gpt, { ...sizes, bias: false, head: 'separate' }),
  'llama, grouped queries': () =>
    language(llama, { ...sizes, keyValueHeads: 1, headWidth: 4, normEpsilon: 1e-5, rotaryBase: 100, head: 'tied' }),
  'multi-layer perceptron': regression,
  'convolutions, strided, dilated, grouped and transposed': images,
}
