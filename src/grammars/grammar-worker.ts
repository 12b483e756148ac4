import { packError } from '../platform/error-border.ts'
import { workerPort } from '../platform/worker-port.ts'
import { openLibraryHost } from './library-host.ts'
import type { GrammarWorkerData, HostReply, HostRequest } from './worker-protocol.ts'

const port = workerPort((message) => void answer(message as HostRequest))
const { vocabulary, kept } = port.data as GrammarWorkerData
const opening = openLibraryHost(vocabulary, kept)
opening.catch(() => undefined)

async function answer({ id, method, args }: HostRequest): Promise<void> {
  try {
    const host = await opening
    const value =
      method === 'begin' ? undefined : await (host[method] as (...given: readonly unknown[]) => Promise<unknown>)(...args)
    port.post({ id, value } satisfies HostReply)
  } catch (error) {
    port.post({ id, error: packError(error) } satisfies HostReply)
  }
}
