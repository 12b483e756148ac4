/** What of a browser the drivers look at; each may be missing, as in a worker or an old browser. */
export interface Surroundings {
  /** Whether shared memory is allowed here, and with it threads of WebAssembly. */
  readonly crossOriginIsolated?: boolean
  readonly location?: { readonly href: string }
  readonly navigator?: {
    readonly hardwareConcurrency?: number
    readonly gpu?: { requestAdapter(): Promise<object | null> }
  }
}

export function surroundings(): Surroundings {
  return globalThis as Surroundings
}
