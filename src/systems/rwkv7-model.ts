import * as v from 'valibot'
import { FormatError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import type { StoredTensors } from '../base/stored-tensor.ts'
import { type OwnedStepper, openRecurrentStepper, type RecurrentDecoder } from '../engine/index.ts'
import { type RwkvCppFile, readRwkvCpp, readStoredTensor } from '../formats/index.ts'
import { disposeModule, loadWeights, nameVariables, Rwkv7, type Rwkv7Options, type Rwkv7State } from '../nn/index.ts'
import { openFileSource } from '../platform/file-source.ts'
import type { Device } from '../platform/index.ts'
import { concat, reshape, slice, type Tensor } from '../tensor/index.ts'

export interface LoadRwkv7Options {
  readonly device: Device
  /** Most positions of a state. The network has no limit of its own. Default 2²⁰. */
  readonly contextLength?: number
}

export interface Rwkv7Model extends AsyncDisposable {
  readonly network: Rwkv7
  readonly stepper: OwnedStepper
}

const schema = v.strictObject({ device: v.looseObject({}), contextLength: v.optional(wholeNumber(1)) })

/**
 * Loads an RWKV-7 model in rwkv.cpp's format, whose tokens are bytes or whatever ids it was trained on. Throws FormatError when the file is
 * malformed or of another architecture, MismatchError when its tensors do not fit together.
 * @example
 * await using model = await loadRwkv7('rwkv7.bin', { device })
 * const state = await model.stepper.open()
 */
export async function loadRwkv7(path: string, options: LoadRwkv7Options): Promise<Rwkv7Model> {
  checkOptions(schema, options, 'loadRwkv7')
  const { device, contextLength = 2 ** 20 } = options
  await using file = await openFileSource(path)
  const found = await readRwkvCpp(file)
  const network = new Rwkv7(sizesOf(found))
  nameVariables(network)
  const tensors = new Map<string, Awaited<ReturnType<typeof readStoredTensor>>>()
  for (const [name, stored] of found.tensors) tensors.set(name, await readStoredTensor(stored))
  await loadWeights(network, tensors)
  const stepper = openRecurrentStepper(decoderOf(network, contextLength), { device })
  return {
    network,
    stepper,
    async [Symbol.asyncDispose]() {
      await stepper[Symbol.asyncDispose]()
      await disposeModule(network)
    },
  }
}

function sizesOf({ vocabularySize, width, layers, tensors }: RwkvCppFile): Rwkv7Options {
  const rows = (name: string) => rowsOf(tensors, name)
  const value = layers > 1 ? rows('blocks.1.att.v1') : 1
  return {
    vocabularySize,
    width,
    layers,
    heads: rows('blocks.0.att.r_k'),
    hidden: rows('blocks.0.ffn.key.weight'),
    ranks: { decay: rows('blocks.0.att.w1'), rate: rows('blocks.0.att.a1'), value, gate: rows('blocks.0.att.g1') },
  }
}

function rowsOf(tensors: StoredTensors, name: string): number {
  const rows = tensors.get(name)?.shape[0]
  if (rows === undefined) throw new FormatError(`the file lacks tensor ${name}`, { expected: 'a model of RWKV-7' })
  return rows
}

/** A network's states as one row: per layer, its last inputs and its heads' matrices. */
export function decoderOf(network: Rwkv7, contextLength: number): RecurrentDecoder {
  const { width, heads, blocks, vocabularySize } = network
  const headWidth = width / heads
  const layerSize = 2 * width + heads * headWidth * headWidth
  const layerOf = (state: Tensor, layer: number): Rwkv7State => {
    const part = (start: number, end: number) => slice(state, 1, layer * layerSize + start, layer * layerSize + end)
    return {
      time: part(0, width),
      channel: part(width, 2 * width),
      heads: reshape(part(2 * width, layerSize), [-1, heads, headWidth, headWidth]),
    }
  }
  return {
    vocabularySize,
    contextLength,
    stateSize: layerSize * blocks.length,
    step(ids, state) {
      const { states, ...rest } = network.step(
        ids,
        blocks.map((_, layer) => layerOf(state, layer)),
      )
      const flat = states.flatMap(({ time, channel, heads: matrices }) => [
        time,
        channel,
        reshape(matrices, [-1, heads * headWidth * headWidth]),
      ])
      return { ...rest, state: concat(flat, 1) }
    },
  }
}
