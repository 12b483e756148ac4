import * as v from 'valibot'
import { MismatchError, OptionError } from '../base/errors.ts'
import { callable, checkOptions, positive, wholeNumber } from '../base/options.ts'
import type { Rng } from '../base/rng.ts'
import {
  checkFit,
  freeze,
  heNormal,
  Linear,
  type Module,
  nameVariables,
  type Place,
  placesIn,
  writeVariables,
} from '../nn/index.ts'
import type { Initializer, Variable } from '../tensor/index.ts'
import { readAdapterFiles, writeAdapterFiles } from './adapter-files.ts'
import { LowRankLinear } from './low-rank-linear.ts'

export interface LoraOptions {
  /** Which linear layers, by dotted name. */
  readonly selects: (name: string) => boolean
  /** Width of the bottleneck. */
  readonly rank: number
  /** The change is scaled by alpha / rank. */
  readonly alpha: number
  /** First values of A; B starts at zero, so that the model starts unchanged. */
  readonly rng: Rng
}

/** The adapters of a module: linear layers that were extended, while all other parameters are frozen. */
export interface LowRankAdapters {
  /** Dotted names of the extended layers. */
  readonly layers: readonly string[]
  /**
   * Adds the changes to the weights; the module is then as plain as before, and trainable as before. Throws OptionError, before
   * anything changes, when a weight is quantised.
   */
  merge(): Promise<void>
  /** Takes the changes back. */
  remove(): Promise<void>
  /** Writes the adapters alone, in the layout of the PEFT library. Throws DataError when the folder holds other things. */
  save(folder: string): Promise<void>
}

const schema = v.strictObject({ selects: callable, rank: wholeNumber(1), alpha: positive, rng: v.looseObject({ fold: callable }) })

/**
 * Extends linear layers by trainable changes of low rank and freezes everything else. Hu et al. 2021.
 * @throws OptionError when no linear layer is selected, or the module has adapters
 * @example
 * class Model { readonly output = new Linear(64, 16) }
 * const adapters = await lora(new Model(), { selects: (name) => name === 'output', rank: 4, alpha: 8, rng })
 * await adapters.save('adapter')
 */
export async function lora(module: Module, options: LoraOptions): Promise<LowRankAdapters> {
  checkOptions(schema, options, 'lora')
  const { selects, rank, alpha, rng } = options
  const chosen = linearsIn(module).filter(({ path }) => selects(path))
  if (chosen.length === 0) {
    const names = linearsIn(module).map(({ path }) => path)
    throw new OptionError('lora: selects chose no linear layer', { expected: `some of ${names.slice(0, 12).join(', ')}` })
  }
  const layers = extend(chosen, rank, alpha)
  for (const [path, { lora_A, lora_B }] of layers) {
    const { weight } = lora_A
    await weight.write(heNormal(weight.concreteShape, rng.fold(`${path}.lora_A.weight`)))
    await lora_B.weight.write(unset(lora_B.weight.concreteShape, rng))
  }
  return attach(module, chosen, layers, { rank, alpha })
}

/**
 * Extends a module by adapters that `save` wrote, or the PEFT library.
 * @throws MismatchError when they do not fit the module; FormatError or DataError when the files are damaged, missing, or use what is
 * not supported here; OptionError when the module has adapters. The module is unchanged then.
 */
export async function loadAdapters(folder: string, module: Module): Promise<LowRankAdapters> {
  const { rank, alpha, tensors } = await readAdapterFiles(folder)
  const places = linearsIn(module)
  const wanted = new Set([...tensors.keys()].map((name) => name.replace(/\.lora_[AB]\.weight$/, '')))
  const strange = [...wanted].filter((name) => !places.some(({ path }) => path === name))
  if (strange.length > 0) {
    throw new MismatchError(`the adapters of '${folder}' are for the layers ${strange.join(', ')}, which the model lacks`)
  }
  const chosen = places.filter(({ path }) => wanted.has(path))
  const layers = extend(chosen, rank, alpha)
  checkFit(adapterVariables(layers), tensors, `'${folder}'`)
  await writeVariables(adapterVariables(layers), tensors)
  return attach(module, chosen, layers, { rank, alpha })
}

type LinearPlace = Place & { readonly value: Linear }
type Layers = ReadonlyMap<string, LowRankLinear>

function linearsIn(module: Module): LinearPlace[] {
  const places = [...placesIn(module)]
  if (places.some(({ value }) => value instanceof LowRankLinear)) {
    throw new OptionError('the module has low-rank adapters already', { fix: 'merge or remove them first' })
  }
  return places.filter((place): place is LinearPlace => place.value instanceof Linear)
}

/** A layer with several places is extended once, under its first name. */
function extend(chosen: readonly LinearPlace[], rank: number, alpha: number): Layers {
  const first = new Map<Linear, string>()
  for (const { path, value } of chosen) if (!first.has(value)) first.set(value, path)
  return new Map(Array.from(first, ([layer, path]) => [path, new LowRankLinear(layer, rank, alpha, unset)]))
}

const unset: Initializer = (shape) => new Float32Array(shape.reduce((product, size) => product * size, 1))

function attach(
  module: Module,
  chosen: readonly LinearPlace[],
  layers: Layers,
  sizes: { rank: number; alpha: number },
): LowRankAdapters {
  const frozen = freeze(module)
  for (const place of chosen) put(place, [...layers.values()].find(({ weight }) => weight === place.value.weight)!)
  nameVariables(module)
  const remove = async () => {
    for (const place of chosen) put(place, place.value)
    for (const variable of frozen) variable.frozen = false
    for (const layer of layers.values()) await layer.dispose()
  }
  return {
    layers: [...layers.keys()],
    remove,
    async merge() {
      for (const layer of layers.values()) layer.mergeTarget()
      for (const layer of layers.values()) await layer.merge()
      await remove()
    },
    save: (folder) => writeAdapterFiles(folder, { ...sizes, layers: [...layers.keys()], variables: adapterVariables(layers) }),
  }
}

function put({ holder, field }: Place, layer: Linear | LowRankLinear): void {
  ;(holder as Record<string, unknown>)[field] = layer
}

function adapterVariables(layers: Layers): Map<string, Variable> {
  return new Map(
    [...layers].flatMap(([path, { lora_A, lora_B }]) => [
      [`${path}.lora_A.weight`, lora_A.weight] as const,
      [`${path}.lora_B.weight`, lora_B.weight] as const,
    ]),
  )
}
