import { expect, test } from 'vitest'
import { runKillCampaign } from './kill-campaign.ts'

test('no acknowledged write is lost to kill -9, nor to an old backup', { timeout: 240_000 }, async () => {
  const report = await runKillCampaign({ kills: 25, seed: 1 })
  expect(report.lost).toEqual([])
  expect(report.kills).toBe(25)
  expect(report.acknowledged).toBeGreaterThan(100)
  expect(Math.min(...Object.values(report.lives))).toBeGreaterThan(0)
})
