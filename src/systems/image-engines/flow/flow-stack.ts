import { countValues } from '../../../base/codes.ts'
import { OptionError } from '../../../base/errors.ts'
import type { Layout } from '../../../base/model.ts'
import type { AffineHeadOptions } from '../../../heads/index.ts'
import { type Order, raster, reverseRaster } from '../../../orders/index.ts'
import { add, multiply, square, subtract, sum, type Tensor } from '../../../tensor/index.ts'
import { FlowBlock } from './flow-block.ts'

export interface FlowStackOptions {
  readonly layout: Layout
  /** Numbers per value. */
  readonly dimension: number
  readonly width: number
  readonly heads: number
  /** Width of the MLPs' middle. Default: 4 · width. */
  readonly hidden?: number
  /** Transformer layers of each block, from the data to the noise. Deep–shallow: `[1, 1, 4]`. */
  readonly layers: readonly number[]
  readonly scale: AffineHeadOptions['scale']
  readonly positions: 'learned' | 'rotary'
  /** Classes; 0: none. Label `classes` stands for none. */
  readonly classes: number
  /** Which blocks know the class: the last one, which is nearest to the noise and is inverted first, or all. Default `deep`. */
  readonly conditioned?: 'deep' | 'all'
  /** Orders of the blocks in turn. Default: raster and its reverse. */
  readonly orders?: readonly Order[]
}

/**
 * Blocks one after another: values ⇄ independent standard normal numbers, with the exact likelihood of the values. Gu et al. 2025
 * (STARFlow), Zhai et al. 2025 (TARFlow). It starts as the identity. How it is inverted: `FlowSampler`.
 */
export class FlowStack {
  readonly blocks: readonly FlowBlock[]
  readonly slots: number
  readonly dimension: number
  readonly classes: number

  /** Throws OptionError on sizes that do not fit, DataError when a block's slots would see what they predict. */
  constructor({ layers, classes, conditioned = 'deep', orders = [raster(), reverseRaster()], ...options }: FlowStackOptions) {
    if (layers.length === 0 || orders.length === 0)
      throw new OptionError(`a flow of ${layers.length} blocks in ${orders.length} orders`, { expected: 'at least one of each' })
    const { width, hidden = 4 * width } = options
    this.slots = countValues(options.layout)
    this.dimension = options.dimension
    this.classes = classes
    this.blocks = layers.map((depth, index) => {
      const knows = conditioned === 'all' || index === layers.length - 1
      const order = orders[index % orders.length]!
      return new FlowBlock({ ...options, hidden, layers: depth, order, classes: knows ? classes : 0 })
    })
  }

  /** Values `[batch, value, dimension]`, int labels `[batch]` → numbers of the same shape, and log |det dz/dx| `[batch]`. */
  forward(values: Tensor, labels: Tensor): { readonly z: Tensor; readonly logDeterminant: Tensor } {
    const { states, logDeterminant } = this.states(values, labels)
    return { z: states.at(-1)!, logDeterminant }
  }

  /** What goes into each block, and what comes out of the last one. */
  states(values: Tensor, labels: Tensor): { readonly states: readonly Tensor[]; readonly logDeterminant: Tensor } {
    const states = [values]
    const determinants = this.blocks.map((block) => {
      const { z, logDeterminant } = block.forward(states.at(-1)!, labels)
      states.push(z)
      return logDeterminant
    })
    return { states, logDeterminant: determinants.reduce((total, each) => add(total, each)) }
  }

  /** log p(values | label) in nats, `[batch]`. */
  logProb(values: Tensor, labels: Tensor): Tensor {
    const { z, logDeterminant } = this.forward(values, labels)
    const constant = 0.5 * this.slots * this.dimension * Math.log(2 * Math.PI)
    return subtract(subtract(logDeterminant, multiply(sum(square(z), [1, 2]), 0.5)), constant)
  }
}
