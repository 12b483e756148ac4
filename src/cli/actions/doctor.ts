import { type Diagnosis, diagnose, type SelfTestReport } from '../../platform/index.ts'
import { packageVersion } from '../../platform/package-version.ts'
import type { DoctorFlags } from '../doctor.ts'
import { Exit, exitCodes } from '../exit.ts'
import { byteSize, table } from '../format.ts'
import { oneLine, styled, writeJson, writeLines } from '../terminal.ts'

/** `nextx doctor`. */
export async function doctorAction({ json = false }: DoctorFlags): Promise<void> {
  const diagnosis = await diagnose()
  if (json) writeJson({ nextx: packageVersion(), ...diagnosis })
  else writeLines(pageOf(diagnosis))
  if (diagnosis.findings.length > 0) throw new Exit(exitCodes.failed)
}

function pageOf({ node, machine, runtime, selfTests, findings }: Diagnosis): string[] {
  const cores = `${machine.logicalCores} logical cores, ${machine.physicalCores} physical`
  const rows = [
    ['nextx', packageVersion()],
    ['Node.js', `${node.version} on ${node.platform} ${node.architecture}`],
    ['processor', `${machine.processor}, ${cores}`],
    ['memory', `${byteSize(machine.totalMemory)}, ${byteSize(machine.freeMemory)} free`],
    ['threads', `${machine.physicalCores} unless --threads says otherwise`],
    ...runtimeRows(runtime),
    ['in a worker', outcome(selfTests.worker)],
    ['in process', outcome(selfTests.inProcess)],
  ]
  return [...table(rows.map(([name = '', text = '']) => [name, oneLine(text)])), '', ...conclusion(findings)]
}

function runtimeRows(runtime: Diagnosis['runtime']): string[][] {
  if (!runtime.found) return [['driver', 'none']]
  const bundled = runtime.providers.filter((provider) => provider.bundled).map(({ name }) => name)
  const others = runtime.providers.filter((provider) => !provider.bundled).map(({ name }) => name)
  return [
    ['driver', `onnxruntime-node ${runtime.version}`],
    ['providers', `cpu (what nextx uses)${also('bundled', bundled)}${also('not installed', others)}`],
  ]
}

function also(what: string, names: readonly string[]): string {
  const rest = names.filter((name) => name !== 'cpu')
  return rest.length === 0 ? '' : `; ${what}: ${rest.join(', ')}`
}

function outcome(test: SelfTestReport): string {
  if (!test.passed) return 'fails'
  const copies = test.landed && test.inPlace ? '' : ', with copies: outputs do not stay where they are put'
  return `works${copies}`
}

function conclusion(findings: Diagnosis['findings']): string[] {
  if (findings.length === 0) return [styled('green', 'Everything needed is here.')]
  return findings.flatMap(({ problem, fix }) => [`${styled('red', 'problem:')} ${oneLine(problem)}`, `    fix: ${oneLine(fix)}`])
}
