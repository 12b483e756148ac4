import type { HostTensor } from '../base/dtype.ts'
import type { BufferTable } from './buffer-table.ts'
import type { BufferId, DeviceInfo, Feed, Fetch, SessionOptions } from './device.ts'

export interface SessionSettings {
  readonly threads: number
  readonly spinning: boolean
}

/** What a SessionDevice runs models on. Calls come one at a time. */
export interface SessionDriver {
  readonly info: DeviceInfo
  /** Arrays to feed or write are copied when the call is made: a run goes on while the caller does, who may change or move them. */
  readonly copiesArrays: boolean
  load(model: Uint8Array, options: SessionOptions): Promise<DriverSession>
  /** After the last session was released. */
  release(): Promise<void>
}

/** A loaded model. Checks what it is given; what comes back in the record has memory of its own. */
export interface DriverSession {
  run(
    feeds: Readonly<Record<string, Feed>>,
    fetches: Readonly<Record<string, Fetch>>,
    buffers: BufferTable,
  ): Promise<Record<string, HostTensor>>
  /** The buffer's memory is about to go: nothing may hold on to it. */
  forget(buffer: BufferId): void
  release(): Promise<void>
}
