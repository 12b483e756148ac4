import { arrayTypes, type DType, type TypedArray } from '../base/dtype.ts'
import type { DeviceView, Feed, Fetch, SessionOptions } from './device.ts'
import { copyArray } from './host-tensor.ts'

/**
 * The arguments of one request, as plain data of their own: the caller keeps its arrays, and objects that carry more than the
 * device needs (a variable that is also a view) are cut down to it. Arrays are copied once and then move (`transfer`). Nothing is
 * checked here: the device at the other end refuses what does not fit, in its turn.
 */
export class Outgoing {
  readonly transfer: ArrayBuffer[] = []

  array<T extends TypedArray>(data: T): T {
    const dtype = dtypeOf(data)
    if (dtype === undefined) return data
    const copy = copyArray(dtype, data)
    this.transfer.push(copy.buffer as ArrayBuffer)
    return copy as TypedArray as T
  }

  view(view: DeviceView): DeviceView {
    if (!isObject(view)) return view
    const { buffer, dtype, shape, byteOffset } = view
    return { buffer, dtype, shape, byteOffset }
  }

  feeds(feeds: Readonly<Record<string, Feed>>): Readonly<Record<string, Feed>> {
    return mapValues(feeds, (feed) => {
      if (!isObject(feed)) return feed
      return 'buffer' in feed ? this.view(feed) : { dtype: feed.dtype, shape: feed.shape, data: this.array(feed.data) }
    })
  }

  fetches(fetches: Readonly<Record<string, Fetch>>): Readonly<Record<string, Fetch>> {
    return mapValues(fetches, (fetch) => (isObject(fetch) && 'view' in fetch ? { ...fetch, view: this.view(fetch.view) } : fetch))
  }

  sessionOptions(options: SessionOptions): SessionOptions {
    if (!isObject(options) || !isObject(options.externalData)) return options
    return { ...options, externalData: mapValues(options.externalData, (bytes) => this.array(bytes)) }
  }
}

function mapValues<T>(record: Readonly<Record<string, T>>, map: (value: T) => T): Readonly<Record<string, T>> {
  return isObject(record) ? Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)])) : record
}

function isObject<T>(value: T): value is T & object {
  return typeof value === 'object' && value !== null
}

/** Some dtype whose array this is; undefined for anything else, which the device then refuses. */
function dtypeOf(data: unknown): DType | undefined {
  return (Object.keys(arrayTypes) as DType[]).find((dtype) => data instanceof arrayTypes[dtype])
}
