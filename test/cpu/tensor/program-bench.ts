import { afterAll, afterEach, beforeAll } from 'vitest'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { Variable } from '../../../src/tensor/index.ts'

interface Disposable {
  dispose(): Promise<void>
}

/** Two devices for a test file, and what its tests made on them, which is disposed after each. */
export class ProgramBench {
  device!: Device
  other!: Device
  readonly #open: Disposable[] = []

  constructor() {
    beforeAll(async () => {
      this.device = await openDevice({ worker: false, threads: 1 })
      this.other = await openDevice({ worker: false, threads: 1 })
    })
    afterEach(async () => {
      for (const each of this.#open.splice(0)) await each.dispose()
    })
    afterAll(async () => {
      await this.device[Symbol.asyncDispose]()
      await this.other[Symbol.asyncDispose]()
    })
  }

  keep<T extends Disposable>(each: T): T {
    this.#open.push(each)
    return each
  }

  async filled(name: string, ...values: number[]): Promise<Variable> {
    const variable = this.keep(new Variable({ shape: [values.length], name }))
    await variable.write(Float32Array.from(values))
    return variable
  }
}
