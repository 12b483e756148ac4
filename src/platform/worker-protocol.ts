import type { Device, DeviceInfo } from './device.ts'
import type { PackedError } from './error-border.ts'
import type { SessionSettings } from './session-driver.ts'

export interface WorkerSettings extends SessionSettings {
  /** Memory of the ExitGate that both sides share. */
  readonly gate: SharedArrayBuffer
}

/** The calls that cross to the worker; each is a method of the device in the worker. */
export type Method = 'allocate' | 'free' | 'write' | 'read' | 'copy' | 'load' | 'unload' | 'run' | 'memory'

export type Arguments<M extends Method> = Parameters<Device[M]>
export type Answer<M extends Method> = Awaited<ReturnType<Device[M]>>

/** Answered once each, in the order they were posted. */
export type Request =
  | { [M in Method]: { readonly id: number; readonly method: M; readonly args: Arguments<M> } }[Method]
  | { readonly id: number; readonly method: 'dispose' }

export type Reply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: PackedError }

/** Id of the reply that the worker sends unasked once its device is open; the value is a DeviceInfo. */
export const openingId = 0

export type Opening = DeviceInfo
