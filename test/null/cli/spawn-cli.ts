import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

export const cliPath = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url))

export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliSettings {
  /** What stdin holds; default: nothing. */
  readonly input?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
}

/** Runs the built command line as a user's shell would, with pipes for all streams. */
export async function runCli(args: readonly string[], { input = '', env = {} }: CliSettings = {}): Promise<CliResult> {
  const child = startCli(args, env)
  // A command that fails at once does not read its input.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return resultOf(child)
}

/** The running command; its stdin is open. `stdout`: a file to write to instead of the pipe. */
export function startCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdout: 'pipe' | number = 'pipe',
): ChildProcessWithoutNullStreams {
  const options = { env: { ...process.env, ...env }, stdio: ['pipe', stdout, 'pipe'] as const }
  return spawn(process.execPath, [cliPath, ...args], { ...options, stdio: [...options.stdio] }) as ChildProcessWithoutNullStreams
}

export async function resultOf(child: ChildProcessWithoutNullStreams): Promise<CliResult> {
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: code as number | null, stdout, stderr }
}
