import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findBrowser } from '../support/browser.ts';
import { startTestLab, type TestLab } from '../support/lab.ts';
import { expectEqual, query, untilState } from './steps.ts';

const phone = { width: 390, height: 844 };
const bannerTimeoutMs = 15_000;

let world: TestLab;
let browser: Browser;

beforeAll(async () => {
  world = await startTestLab();
  await untilState(world.lab, 'ONLINE');
  browser = await chromium.launch(findBrowser());
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

test('a teacher calls the roll on a phone through a cut, and the page says who serves', async () => {
  const { lab } = world;
  const page = await browser.newPage({ viewport: phone, locale: 'fr-FR' });
  await page.goto(lab.addresses().campus.gateway as string);
  await page.fill('input[name=login]', 'surveillant.mvan');
  await page.fill('input[name=password]', 'craie-bleue');
  await page.click('button.primary');
  await page.waitForSelector('ul.classes');
  expect(await page.textContent('#served')).toContain('cloud');
  expect(await page.isVisible('#local')).toBe(false);

  await lab.cable.cut();
  await page.waitForSelector('#local:not([hidden])', { timeout: bannerTimeoutMs });
  expect(await page.textContent('#served')).toContain('mvan');
  await page.click('ul.classes button');
  await page.waitForSelector('ul.pupils');
  await page.click('ul.pupils li:first-child .choice button:nth-child(2)');
  await page.click('button.primary');
  await page.getByText('Appel enregistré').waitFor();
  await page.click('#language');
  expect(await page.textContent('#served')).toContain('Served by the box at mvan');

  const calls = (side: 'cloud' | 'campus') =>
    query(lab, side, `select id from roll_call where campus_id = 'mvan' order by id`);
  const onCampus = await calls('campus');
  expect(onCampus.length).toBe((await calls('cloud')).length + 1);
  await lab.cable.heal();
  await untilState(lab, 'ONLINE');
  await page.waitForSelector('#local', { state: 'hidden', timeout: bannerTimeoutMs });
  await expectEqual(lab);
  expect(await calls('cloud')).toEqual(onCampus);
});
