import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))

/** Starts a script of this folder with one argument; what it says on stderr is shown. */
export function spawnScript(name: string, argument: object): ChildProcess {
  const args = ['--import', 'tsx', `${folder}${name}`, JSON.stringify(argument)]
  return spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
}

/** Its exit code; null after a kill. */
export async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const [code] = (await once(child, 'exit')) as [number | null]
  return code
}
