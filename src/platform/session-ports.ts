import type { DType, HostTensor, TypedArray } from '../base/dtype.ts'
import { DTypeError, OptionError, ShapeError } from '../base/errors.ts'
import type { BufferTable } from './buffer-table.ts'
import type { DeviceView, Feed, Fetch } from './device.ts'
import { checkHostTensor, checkObject, isDType, showShape } from './host-tensor.ts'
import { checkRows, writeRows } from './row-copy.ts'

/** One input or output of a model. A dimension that is text is known only at run time. */
export interface Port {
  readonly type: string
  readonly shape: readonly (number | string)[]
}

export type Ports = ReadonlyMap<string, Port>

/** One fetched output; `memory` is the view's own, empty for an output that goes to the host. */
export interface Target {
  readonly name: string
  readonly fetch: Fetch
  readonly memory: TypedArray
}

/** @throws OptionError when an input of the model is not fed, or something is fed that is no input. */
export function checkFeedNames(feeds: Readonly<Record<string, Feed>>, inputs: Ports): void {
  checkObject(feeds, 'the feeds')
  for (const name of inputs.keys()) {
    if (!Object.hasOwn(feeds, name)) throw new OptionError(`input '${name}' is not fed`)
  }
  for (const name of Object.keys(feeds)) portOf(inputs, name, 'input')
}

/**
 * The memory of one feed: a view's own, or the caller's array.
 * @throws DTypeError, OptionError or ShapeError unless it fits the input.
 */
export function checkFeed(name: string, feed: Feed, port: Port, buffers: BufferTable): TypedArray {
  const what = `input '${name}'`
  checkObject(feed, what)
  const data = 'buffer' in feed ? buffers.window(feed) : hostData(feed, what)
  checkType(feed.dtype, port, what)
  checkShape(feed.shape, port, what)
  return data
}

/** @throws OptionError when nothing is fetched, or something that is no output. */
export function checkFetchNames(fetches: Readonly<Record<string, Fetch>>, outputs: Ports): void {
  checkObject(fetches, 'the fetches')
  const names = Object.keys(fetches)
  for (const name of names) portOf(outputs, name, 'output')
  if (names.length === 0) throw new OptionError('a run fetches nothing', { expected: 'at least one output' })
}

/** @throws DTypeError, OptionError or ShapeError unless the output can go where it is to go. */
export function checkFetch(name: string, fetch: Fetch, port: Port, buffers: BufferTable): Target {
  const what = `output '${name}'`
  checkObject(fetch, what)
  if (fetch.kind !== 'host' && fetch.kind !== 'view' && fetch.kind !== 'rows') {
    throw new OptionError(`${what} is fetched as '${String((fetch as { kind: unknown }).kind)}'`, {
      expected: 'host, view or rows',
    })
  }
  if (!isDType(port.type)) throw new DTypeError(`${what} is ${port.type}, which nextx has no array for`)
  if (fetch.kind === 'host') return { name, fetch, memory: noMemory }
  const memory = buffers.window(fetch.view)
  checkType(fetch.view.dtype, port, what)
  if (fetch.kind === 'rows') checkRows(fetch, name)
  else checkShape(fetch.view.shape, port, what)
  return { name, fetch, memory }
}

const noMemory = new Uint8Array(0)

/** An output's name and the view that it is written over. */
export interface Written {
  readonly name: string
  readonly view: DeviceView
  readonly byteLength: number
}

/**
 * Two outputs written by one run over the same bytes would leave whichever came last.
 * @throws OptionError
 */
export function checkDisjoint(written: readonly Written[]): void {
  const sorted = written.filter(({ byteLength }) => byteLength > 0)
  sorted.sort((a, b) => a.view.buffer - b.view.buffer || a.view.byteOffset - b.view.byteOffset)
  for (const [i, next] of sorted.entries()) {
    const before = sorted[i - 1]
    if (before?.view.buffer === next.view.buffer && before.view.byteOffset + before.byteLength > next.view.byteOffset) {
      throw new OptionError(`outputs '${before.name}' and '${next.name}' go to the same bytes`)
    }
  }
}

/** Takes the values of a run to their places: rows to their views, the rest to the record that comes back. */
export function deliver<T extends Target>(targets: readonly T[], take: (target: T) => HostTensor): Record<string, HostTensor> {
  const delivered: [string, HostTensor][] = []
  for (const target of targets) {
    const { name, fetch, memory } = target
    if (fetch.kind === 'rows') writeRows(take(target), memory, fetch, name)
    if (fetch.kind === 'host') delivered.push([name, take(target)])
  }
  return Object.fromEntries(delivered)
}

export function portOf(ports: Ports, name: string, what: string): Port {
  const port = ports.get(name)
  if (port === undefined) throw new OptionError(`the model has no ${what} '${name}'`, { expected: [...ports.keys()].join(', ') })
  return port
}

function hostData(feed: HostTensor, what: string): TypedArray {
  checkHostTensor(feed, what)
  return feed.data
}

function checkType(dtype: DType, port: Port, what: string): void {
  if (dtype !== port.type) throw new DTypeError(`${what} is given as ${dtype}`, { expected: port.type })
}

/** A model may leave a shape out, which reads as `[]` like a scalar's: ONNX Runtime checks those. */
function checkShape(shape: readonly number[], port: Port, what: string): void {
  if (port.shape.length === 0) return
  const fits = shape.length === port.shape.length && port.shape.every((size, i) => typeof size === 'string' || size === shape[i])
  if (!fits) throw new ShapeError(`${what} is given as ${showShape(shape)}`, { expected: showShape(port.shape) })
}
