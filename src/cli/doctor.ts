import type { Command } from 'commander'

export interface DoctorFlags {
  readonly json?: boolean
}

export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('say what runs here, and what is missing')
    .description('Says what runs here (drivers, versions, threads, providers), what is missing, and how to get it.')
    .option('--json', 'print a JSON object')
    .addHelpText(
      'after',
      '\nThe exit code is 1 when something needed is missing.\n\nExamples:\n  nextx doctor\n  nextx doctor --json',
    )
    .action(async (flags: DoctorFlags) => {
      const { doctorAction } = await import('./actions/doctor.ts')
      await doctorAction(flags)
    })
}
