import type { AttentionOptions } from '../../../src/nn/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'
import { addRows, attendOneHead, project, type Rows, rmsNormRow, rotateRow, rowsOf, type Sees, siluOf } from './oracle.ts'

export interface NaiveLayer {
  readonly attention: AttentionOptions
  readonly sees: Sees
}

/** Hidden states of one sequence of a Llama, in doubles and loops. Touvron et al. 2023. */
export class NaiveTransformer {
  readonly #weights: ReadonlyMap<string, ReferenceValue>
  readonly #rotaryBase: number

  constructor(weights: ReadonlyMap<string, ReferenceValue>, rotaryBase: number) {
    this.#weights = weights
    this.#rotaryBase = rotaryBase
  }

  forward(ids: readonly number[], position: ArrayLike<number>, layers: readonly NaiveLayer[]): Rows {
    const table = this.#matrix('embed_tokens')
    let x: Rows = ids.map((id) => table[id]!)
    for (const [i, layer] of layers.entries()) {
      x = addRows(x, this.#attention(`layers.${i}.self_attn`, this.#norm(`layers.${i}.input_layernorm`, x), position, layer))
      x = addRows(x, this.#mlp(`layers.${i}.mlp`, this.#norm(`layers.${i}.post_attention_layernorm`, x)))
    }
    return this.#norm('norm', x)
  }

  #matrix(name: string): Rows {
    return rowsOf(this.#weights.get(`${name}.weight`)!)
  }

  #norm(name: string, x: Rows): Rows {
    return x.map((row) => rmsNormRow(row, [...this.#weights.get(`${name}.weight`)!.data], 1e-5))
  }

  #mlp(name: string, x: Rows): Rows {
    const [gate, up] = [project(x, this.#matrix(`${name}.gate_proj`)), project(x, this.#matrix(`${name}.up_proj`))]
    return project(
      gate.map((row, i) => row.map((value, j) => siluOf(value) * up[i]![j]!)),
      this.#matrix(`${name}.down_proj`),
    )
  }

  #attention(name: string, x: Rows, position: ArrayLike<number>, { attention, sees }: NaiveLayer): Rows {
    const { heads, keyValueHeads = heads, headWidth = x[0]!.length / heads } = attention
    const headsOf = (part: string, count: number, turn: boolean) => {
      const all = project(x, this.#matrix(`${name}.${part}`))
      const head = (h: number) => all.map((row) => row.slice(h * headWidth, (h + 1) * headWidth))
      const rotated = (rows: Rows) => rows.map((row, slot) => rotateRow(row, position[slot]!, this.#rotaryBase))
      return Array.from({ length: count }, (_, h) => (turn ? rotated(head(h)) : head(h)))
    }
    const query = headsOf('q_proj', heads, true)
    const [key, value] = [headsOf('k_proj', keyValueHeads, true), headsOf('v_proj', keyValueHeads, false)]
    const mixed = query.map((rows, h) => {
      const shared = Math.floor((h * keyValueHeads) / heads)
      return attendOneHead(rows, key[shared]!, value[shared]!, sees, 1 / Math.sqrt(headWidth))
    })
    return project(
      x.map((_, slot) => mixed.flatMap((rows) => rows[slot]!)),
      this.#matrix(`${name}.o_proj`),
    )
  }
}
