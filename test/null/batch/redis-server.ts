import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

/** Why there is no Redis here; undefined where there is. */
export function redisMissing(): string | undefined {
  const { status } = spawnSync('redis-server', ['--version'])
  return status === 0 ? undefined : 'redis-server is not installed (Debian: apt-get install redis-server)'
}

export interface RedisServer {
  readonly url: string
  readonly port: number
  start(): Promise<void>
  kill(): Promise<void>
}

/** A server that keeps nothing on the disk, on a port of its own. */
export async function redisServer(settings: readonly string[] = []): Promise<RedisServer> {
  const port = await freePort()
  let child: ChildProcess | undefined
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...settings]
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    async start() {
      child = spawn('redis-server', args, { stdio: 'ignore' })
      while (!(await answers(port))) await wait(10)
    },
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
