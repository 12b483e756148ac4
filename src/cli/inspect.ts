import type { Command } from 'commander'

export interface InspectFlags {
  readonly all?: boolean
  readonly json?: boolean
}

export function registerInspect(program: Command): void {
  program
    .command('inspect')
    .summary('show what a model is made of')
    .description('Shows what a model is made of, without running it: system, options, tokenizer, tensors.')
    .argument('<model>', 'a model folder, a .safetensors file, a .onnx file, or the name of a model that ships with nextx')
    .option('--all', 'list every tensor, not one line for those alike in all layers')
    .option('--json', 'print a JSON object, with every tensor')
    .addHelpText(
      'after',
      '\nExamples:\n  nextx inspect stories260K\n  nextx inspect model.safetensors --all\n  nextx inspect model.onnx --json',
    )
    .action(async (model: string, flags: InspectFlags) => {
      const { inspectAction } = await import('./actions/inspect.ts')
      await inspectAction(model, flags)
    })
}
