/**
 * The config read again while the node runs, on SIGHUP: services, forwards and SOCKS are changed at once, whatever else is
 * different is named, because it takes a restart. A config or credential with a fault changes nothing: the node goes on with the
 * old one.
 */
import { isDeepStrictEqual } from 'node:util'
import { CausewayError, type Credential } from '@causeway/protocol'
import { type DaemonConfig, checkConfig } from './config.ts'
import type { Forwarding } from './forwarding/forwarding.ts'
import type { Report } from './forwarding/sparing-reports.ts'

export interface Reloaded {
  /** What was done, a sentence each. */
  readonly changes: readonly string[]
  /** Keys whose change takes a restart. */
  readonly restart: readonly string[]
}

export class ConfigReload {
  readonly #running: DaemonConfig
  readonly #credential: Credential
  readonly #forwarding: Pick<Forwarding, 'change'>
  readonly #report: Report
  #reloading: Promise<unknown> = Promise.resolve()

  constructor(running: DaemonConfig, credential: Credential, forwarding: Pick<Forwarding, 'change'>, report: Report) {
    this.#running = running
    this.#credential = credential
    this.#forwarding = forwarding
    this.#report = report
  }

  /** Throws what is wrong with the new config, having changed nothing. One after the other, if several are asked for. */
  reload(): Promise<Reloaded> {
    const reloaded = this.#reloading.then(() => this.#reload())
    this.#reloading = reloaded.catch(() => undefined)
    return reloaded
  }

  /** Reloads at each SIGHUP, until the returned function is called. */
  onHangup(): () => void {
    const listener = (): void => void this.reload().catch(() => undefined)
    process.on('SIGHUP', listener)
    return () => process.off('SIGHUP', listener)
  }

  async #reload(): Promise<Reloaded> {
    const { path } = this.#running
    try {
      const { config, credential } = checkConfig(path)
      const changes = await this.#forwarding.change(config.forwarding)
      const restart = this.#differences(config, credential)
      this.#report('config-reloaded', {
        config: path,
        changes: changes.join('; ') || 'none',
        ...(restart.length > 0 && { needRestart: restart.join(', ') }),
      })
      return { changes, restart }
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error
      this.#report('config-refused', { config: path, reason: error.message, remedy: error.remedy })
      throw error
    }
  }

  /** A credential may be another one under the same name: renewed. */
  #differences(config: DaemonConfig, credential: Credential): string[] {
    const keys = Object.keys(config) as (keyof DaemonConfig)[]
    const differs = (key: keyof DaemonConfig): boolean =>
      !isDeepStrictEqual(config[key], this.#running[key]) || (key === 'credential' && !isDeepStrictEqual(credential, this.#credential))
    return keys.filter((key) => key !== 'forwarding' && differs(key))
  }
}
