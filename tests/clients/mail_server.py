"""A mail server that tells its port, then each mail that it takes as a line of JSON."""

import asyncio
import json

from aiosmtpd.smtp import SMTP


class Told:
    async def handle_DATA(self, server, session, envelope):
        mail = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "text": envelope.content.decode("utf-8")}
        print(json.dumps(mail), flush=True)
        return "250 OK"


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Told(), hostname="mail.invalid", loop=loop), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
