// An SMSC on the npm package `smpp`: a program that is not ours, so that our two ends cannot share a mistake.
//
// node smsc.js '{"port": 0, "log": "submits.jsonl", …}'
//
// Prints `listening PORT`. Each submit is appended to `log` as a JSON line: at (epoch seconds), bind, sequence, source, destination,
// text, id, status, coding, validity, types (TON and NPI of both addresses), and how, ref, total, part for a long message or a part of
// one. Lines on standard input are commands, as JSON:
//   {"command": "text", "source": "254…", "destination": "CLARION", "text": "STOP"}   bring a text to whoever can receive
//   {"command": "counters"}                                                           print them as a JSON line
//   {"command": "enquire"}                                                            ask every session whether it is there
//   {"command": "unbind"}                                                             end every session
// It ends with its standard input.

'use strict';

const fs = require('fs');
const readline = require('readline');
const smpp = require('smpp');

const options = Object.assign({
  host: '127.0.0.1',
  port: 0,
  log: null,
  systemId: null,
  password: null,
  hexIds: false,            // answers carry hexadecimal ids
  decimalReceipts: false,   // receipts carry the same ids as decimals
  firstId: 1000,
  refuse: [],               // endings of destinations that are refused
  refuseStatus: smpp.ESME_RINVDSTADR,
  undeliver: [],            // endings of destinations whose receipt says UNDELIV
  throttleEvery: 0,         // each n-th submit is answered ESME_RTHROTTLED
  disconnectEvery: 0,       // each n-th submit is taken and ends the connection unanswered
  receipts: 'text',         // text, payload (the same in message_payload), parameters (no text at all), both or none
  receiptText: 'id:{id} sub:001 dlvrd:{dlvrd} submit date:{date} done date:{date} stat:{stat} err:{err} text:',
  dataSm: false,            // receipts and texts come by data_sm; neither has a short_message there
  intermediate: false,      // before each receipt an intermediate notification, that the message is on its way
  receiptDelayMs: 0,
  outstanding: 100,
  key: null,                // files with a key and a certificate: TLS
  cert: null,
}, JSON.parse(process.argv[2] || '{}'));

const counters = { binds: 0, submits: 0, taken: 0, refused: 0, throttled: 0, receipts: 0, acknowledged: 0, texts: 0, enquiries: 0, enquired: 0, unbound: 0 };
const log = options.log ? fs.openSync(options.log, 'a') : null;
const sessions = new Set();
const receivers = new Set();
const waiting = [];
let outstanding = 0;
let nextId = options.firstId;
let binds = 0;

const tls = options.key ? { key: fs.readFileSync(options.key), cert: fs.readFileSync(options.cert) } : {};
const server = smpp.createServer(tls, (session) => {
  const bind = ++binds;
  let bound = false;
  sessions.add(session);
  session.on('error', () => session.destroy());
  session.on('close', () => { sessions.delete(session); receivers.delete(session); redeliver(session); });
  for (const kind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(kind, (pdu) => {
      const refusal = refusalOf(pdu);
      session.send(pdu.response({ command_status: refusal, system_id: 'npm-smpp' }));
      if (refusal) return;
      bound = true;
      counters.binds++;
      if (kind !== 'bind_transmitter') { receivers.add(session); session.open = new Map(); deliver(); }
    });
  }
  session.on('enquire_link', (pdu) => { counters.enquiries++; session.send(pdu.response()); });
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('submit_sm', (pdu) => {
    if (bound) submit(session, bind, pdu);
    else session.send(pdu.response({ command_status: smpp.ESME_RINVBNDSTS }));
  });
});
server.listen(options.port, options.host, () => console.log(`listening ${server.address().port}`));

function refusalOf(pdu) {
  if (options.systemId !== null && pdu.system_id !== options.systemId) return smpp.ESME_RINVSYSID;
  if (options.password !== null && pdu.password !== options.password) return smpp.ESME_RINVPASWD;
  return 0;
}

function submit(session, bind, pdu) {
  counters.submits++;
  const status = statusOf(pdu);
  const number = nextId;
  const id = status ? '' : options.hexIds ? number.toString(16) : String(number);
  note(bind, pdu, id, status);
  if (status) {
    counters[status === smpp.ESME_RTHROTTLED ? 'throttled' : 'refused']++;
    session.send(pdu.response({ command_status: status }));
    return;
  }
  nextId++;
  counters.taken++;
  if (options.receipts !== 'none' && pdu.registered_delivery & 1) {
    const receipts = receiptsOf(pdu, options.decimalReceipts ? String(number) : id);
    setTimeout(() => { waiting.push(...receipts); deliver(); }, options.receiptDelayMs);
  }
  if (options.disconnectEvery && counters.submits % options.disconnectEvery === 0) session.destroy();
  else session.send(pdu.response({ message_id: id }));
}

function statusOf(pdu) {
  if (options.throttleEvery && counters.submits % options.throttleEvery === 0) return smpp.ESME_RTHROTTLED;
  return options.refuse.some((ending) => pdu.destination_addr.endsWith(ending)) ? options.refuseStatus : 0;
}

function note(bind, pdu, id, status) {
  if (log === null) return;
  const record = {
    at: Date.now() / 1000, bind, sequence: pdu.sequence_number, source: pdu.source_addr, destination: pdu.destination_addr,
    text: pdu.short_message.message, id, status, coding: pdu.data_coding, validity: pdu.validity_period,
    types: [pdu.source_addr_ton, pdu.source_addr_npi, pdu.dest_addr_ton, pdu.dest_addr_npi],
  };
  const elements = pdu.short_message.udh || [];
  const header = elements.find((element) => element[0] === 0x00 || element[0] === 0x08);
  if (header && header[0] === 0x00) Object.assign(record, { how: 'udh8', ref: header[2], total: header[3], part: header[4] });
  if (header && header[0] === 0x08) Object.assign(record, { how: 'udh16', ref: header.readUInt16BE(2), total: header[4], part: header[5] });
  if (pdu.sar_total_segments !== undefined) {
    Object.assign(record, { how: 'sar', ref: pdu.sar_msg_ref_num, total: pdu.sar_total_segments, part: pdu.sar_segment_seqnum });
  }
  if (pdu.message_payload !== undefined) Object.assign(record, { how: 'payload', text: pdu.message_payload.message });
  fs.writeSync(log, JSON.stringify(record) + '\n');
}

function receiptsOf(pdu, id) {
  const failed = options.undeliver.some((ending) => pdu.destination_addr.endsWith(ending));
  const last = failed
    ? receiptOf(pdu, id, smpp.ESM_CLASS.MC_DELIVERY_RECEIPT, { dlvrd: '000', stat: 'UNDELIV', err: '034' }, 'UNDELIVERABLE')
    : receiptOf(pdu, id, smpp.ESM_CLASS.MC_DELIVERY_RECEIPT, { dlvrd: '001', stat: 'DELIVRD', err: '000' }, 'DELIVERED');
  if (!options.intermediate) return [last];
  const underWay = { dlvrd: '000', stat: 'ENROUTE', err: '000' };
  return [receiptOf(pdu, id, smpp.ESM_CLASS.INTERMEDIATE_DELIVERY, underWay, 'ENROUTE'), last];
}

function receiptOf(pdu, id, kind, words, state) {
  const date = new Date().toISOString().replace(/[-:T]/g, '').slice(2, 12);
  const receipt = {
    source_addr: pdu.destination_addr, source_addr_ton: pdu.dest_addr_ton, source_addr_npi: pdu.dest_addr_npi,
    destination_addr: pdu.source_addr, dest_addr_ton: pdu.source_addr_ton, dest_addr_npi: pdu.source_addr_npi,
    esm_class: kind, short_message: '',
  };
  const values = { id, date, ...words };
  const text = options.receiptText.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  if (options.receipts === 'payload') receipt.message_payload = text;
  else if (options.receipts !== 'parameters') receipt.short_message = text;
  if (options.receipts === 'parameters' || options.receipts === 'both') {
    receipt.receipted_message_id = id;
    receipt.message_state = smpp.MESSAGE_STATE[state];
  }
  return receipt;
}

function deliver() {
  for (const session of receivers) {
    while (waiting.length && outstanding < options.outstanding) {
      const delivery = waiting.shift();
      const key = {};
      outstanding++;
      session.open.set(key, delivery);
      counters[delivery.esm_class ? 'receipts' : 'texts']++;
      session[options.dataSm ? 'data_sm' : 'deliver_sm'](delivery, () => {
        if (!session.open.delete(key)) return;
        outstanding--;
        counters.acknowledged++;
        deliver();
      });
    }
  }
}

function redeliver(session) {
  if (!session.open) return;
  outstanding -= session.open.size;
  waiting.unshift(...session.open.values());
  session.open.clear();
  deliver();
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const { command, ...message } = JSON.parse(line);
  if (command === 'counters') console.log(JSON.stringify(counters));
  if (command === 'enquire') for (const session of sessions) session.enquire_link({}, () => { counters.enquired++; });
  if (command === 'unbind') for (const session of sessions) session.unbind({}, () => { counters.unbound++; session.close(); });
  if (command === 'text') {
    const given = message.fields.short_message;
    for (const name of ['udh', 'message']) if (given && Array.isArray(given[name])) given[name] = Buffer.from(given[name]);
    waiting.push({ source_addr: message.source, destination_addr: message.destination, short_message: message.text, ...message.fields });
    deliver();
  }
}).on('close', () => process.exit(0));
