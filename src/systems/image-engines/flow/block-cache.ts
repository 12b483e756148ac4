import type { Device } from '../../../platform/index.ts'
import { type Variable, variable } from '../../../tensor/index.ts'
import type { FlowBlock } from './flow-block.ts'

/** Keys and values of a block's slots while it is inverted: variables `[row, head, slot, headWidth]` per layer. */
export class BlockCache {
  readonly layers: readonly { readonly key: Variable; readonly value: Variable }[]
  readonly #variables: readonly Variable[]
  #rows = 0

  constructor({ backbone, slots }: FlowBlock) {
    this.layers = backbone.layers.map(({ self_attn }, layer) => {
      const { keyValueHeads, headWidth } = self_attn.traits
      const shape = ['R', keyValueHeads, slots, headWidth]
      return { key: variable({ name: `cache.${layer}.key`, shape }), value: variable({ name: `cache.${layer}.value`, shape }) }
    })
    this.#variables = this.layers.flatMap(({ key, value }) => [key, value])
  }

  /** Makes room for so many rows; what they held is lost. */
  async reserve(device: Device, rows: number): Promise<void> {
    if (rows <= this.#rows) return
    for (const each of this.#variables) {
      const shape = each.shape.with(0, rows) as readonly number[]
      const { commit } = await each.prepareResize(device, shape, async () => undefined)
      await commit()
    }
    this.#rows = rows
  }

  /** The first rows, for a run. */
  window(rows: number): Map<Variable, { readonly start: number; readonly count: number }> {
    return new Map(this.#variables.map((each) => [each, { start: 0, count: rows }]))
  }

  async dispose(): Promise<void> {
    for (const each of this.#variables) await each.dispose()
  }
}
