import type { StorageType } from '../../base/stored-tensor.ts'
import { byteSize, table, thousands } from '../format.ts'
import { oneLine } from '../terminal.ts'

export interface TensorFacts {
  readonly name: string
  readonly dtype: StorageType
  readonly shape: readonly number[]
  readonly bytes: number
}

/** What `nextx inspect` found; printed as it is with --json. */
export interface Inspection {
  readonly kind: 'model' | 'safetensors' | 'onnx'
  /** Sections of names and values, by title. */
  readonly facts: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** Values in all tensors. */
  readonly parameters: number
  readonly bytes: number
  readonly tensors: readonly TensorFacts[]
}

/** Adds up the tensors. */
export function inspectionOf(kind: Inspection['kind'], facts: Inspection['facts'], tensors: readonly TensorFacts[]): Inspection {
  return {
    kind,
    facts,
    parameters: tensors.reduce((total, { shape }) => total + shape.reduce((product, size) => product * size, 1), 0),
    bytes: tensors.reduce((total, { bytes }) => total + bytes, 0),
    tensors,
  }
}

/** The inspection as a page of text; `all` lists every tensor. */
export function inspectionPage({ facts, parameters, bytes, tensors }: Inspection, all: boolean): string[] {
  const sections = Object.entries(facts).flatMap(([title, values]) => [title, ...factLines(values), ''])
  const heading = `${thousands(tensors.length)} tensors, ${thousands(parameters)} values, ${byteSize(bytes)}`
  return [
    ...sections,
    heading,
    ...indented(tensorLines(all ? tensors.map((tensor) => ({ ...tensor, count: 1 })) : grouped(tensors))),
  ]
}

function factLines(values: Readonly<Record<string, unknown>>): string[] {
  return indented(table(Object.entries(values).map(([name, value]) => [oneLine(name), oneLine(valueText(value))])))
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.map(valueText).join(', ')
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`)
}

export interface TensorGroup extends TensorFacts {
  readonly count: number
}

/** One entry for tensors that differ in numbers of their names alone (layers), in the place of the first. */
export function grouped(tensors: readonly TensorFacts[]): TensorGroup[] {
  const groups = new Map<string, TensorGroup>()
  for (const tensor of tensors) {
    const name = tensor.name.replace(/(?<![^._/:])\d+(?![^._/:])/g, '*')
    const key = JSON.stringify([name, tensor.dtype, tensor.shape])
    const { count, bytes } = groups.get(key) ?? { count: 0, bytes: 0 }
    groups.set(key, { ...tensor, name: count === 0 ? tensor.name : name, count: count + 1, bytes: bytes + tensor.bytes })
  }
  return [...groups.values()]
}

function tensorLines(groups: readonly TensorGroup[]): string[] {
  const rows = groups.map(({ name, dtype, shape, bytes, count }) => [
    oneLine(name),
    count === 1 ? '' : `× ${count}`,
    dtype,
    `[${shape.join(', ')}]`,
    byteSize(bytes),
  ])
  return table(rows, ['left', 'left', 'left', 'left', 'right'])
}
