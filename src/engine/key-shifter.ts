import { OptionError } from '../base/errors.ts'
import type { Device } from '../platform/device.ts'
import { compile, float32, int32, type Program, type Tensor } from '../tensor/index.ts'
import type { Decoder } from './decoder-program.ts'
import type { KeyValueCache } from './key-value-cache.ts'

type ShiftProgram = Program<ReturnType<typeof inputsOf>, { readonly shifted: Tensor }>

const inputsOf = (heads: number, width: number) => ({ key: float32(1, heads, 'T', width), by: int32(1, 'T') })

/** Moves cached keys to other positions: rotations add up, so that what was rotated to one place is turned on to another. */
export class KeyShifter {
  readonly #decoder: Decoder
  readonly #device: Device
  readonly #programs = new Map<number, ShiftProgram>()

  constructor(decoder: Decoder, device: Device) {
    this.#decoder = decoder
    this.#device = device
  }

  /** Turns the keys of `count` slots of a row by `by` positions. Throws OptionError when the model's positions are not rotations. */
  async shift(cache: KeyValueCache, row: number, { slot, count, by }: { slot: number; count: number; by: number }): Promise<void> {
    const offsets = { dtype: 'int32' as const, shape: [1, count], data: new Int32Array(count).fill(by) }
    // All are computed before any is written, so that a failure changes nothing.
    const shifted: Float32Array[] = []
    for (const layer of cache.layers.keys()) {
      const key = await cache.readKeys(layer, row, slot, count)
      shifted.push((await this.#programFor(layer).run({ key, by: offsets })).shifted.data as Float32Array)
    }
    for (const [layer, keys] of shifted.entries()) await cache.writeKeys(layer, row, slot, count, keys)
  }

  async dispose(): Promise<void> {
    for (const program of this.#programs.values()) await program.dispose()
  }

  #programFor(layer: number): ShiftProgram {
    const known = this.#programs.get(layer)
    if (known !== undefined) return known
    const attention = this.#decoder.backbone.layers[layer]!.self_attn
    const { keyValueHeads, headWidth } = attention.traits
    const program = compile(
      inputsOf(keyValueHeads, headWidth),
      ({ key, by }) => ({ shifted: attention.shift(key, by) ?? refuse() }),
      {
        device: this.#device,
        name: 'shift',
      },
    )
    this.#programs.set(layer, program)
    return program
  }
}

function refuse(): never {
  throw new OptionError("slots cannot be forgotten: the model's positions are part of its embeddings", {
    expected: 'a model with rotary positions, or with none',
  })
}
