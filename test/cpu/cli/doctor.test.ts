import { expect, test, vi } from 'vitest'
import { doctorAction } from '../../../src/cli/actions/doctor.ts'
import { Exit } from '../../../src/cli/exit.ts'
import { type Diagnosis, diagnose } from '../../../src/platform/index.ts'

vi.mock(import('../../../src/platform/index.ts'), async (original) => ({
  ...(await original()),
  diagnose: vi.fn<typeof diagnose>(),
}))

const missing = Object.assign(new Error("Cannot find package 'onnxruntime-node'"), { code: 'ERR_MODULE_NOT_FOUND' })

async function withoutRuntime(): Promise<Diagnosis> {
  const { diagnose } = await vi.importActual<{ diagnose: typeof import('../../../src/platform/index.ts').diagnose }>(
    '../../../src/platform/index.ts',
  )
  return diagnose({ load: () => Promise.reject(missing) })
}

test.each([false, true])('what is missing is named with how to get it, and the exit code is 1 (json: %s)', async (json) => {
  const written: string[] = []
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0)
  vi.mocked(diagnose).mockImplementation(withoutRuntime)
  await expect(doctorAction({ json })).rejects.toEqual(new Exit(1))
  expect(written.join('')).toContain('onnxruntime-node is not installed')
  expect(written.join('')).toContain('npm install onnxruntime-node@')
})
