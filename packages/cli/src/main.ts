#!/usr/bin/env node
/**
 * `causeway`: the composition root. Only the verb that was asked for is loaded, and compiled code is cached between
 * runs, so that `causeway status` answers at once and never loads the network stack of `causeway run`.
 */
import { enableCompileCache } from 'node:module'
import { beFrugal } from './frugal-memory.ts'

if (process.argv[2] === 'run') beFrugal()
enableCompileCache()
const { runCli } = await import('./program.ts')
process.exitCode = await runCli(process.argv.slice(2))
