/* A 16550 (PC16550D data sheet, table II): its registers, by port or by memory. */
#ifndef CEDE_UART_H
#define CEDE_UART_H

#include "boot_info.h"

#define UART_REGISTERS 8

/* Register numbers. RBR, THR and DLL share one, IER and DLM, IIR and FCR: LCR's DLAB and the
 * direction tell which is meant. */
enum {
    UART_RBR = 0,
    UART_THR = 0,
    UART_DLL = 0,
    UART_IER = 1,
    UART_DLM = 1,
    UART_IIR = 2,
    UART_FCR = 2,
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    UART_MSR = 6,
    UART_SCR = 7,
};

#define IER_ERBFI   0x01 /* received data */
#define IER_ETBEI   0x02 /* transmitter empty */
#define IER_ELSI    0x04 /* line status */
#define IER_EDSSI   0x08 /* modem status */
#define IIR_NONE    0x01
#define IIR_MODEM   0x00
#define IIR_THRE    0x02
#define IIR_RECEIVE 0x04
#define IIR_LINE    0x06
#define IIR_TIMEOUT 0x0c
#define IIR_SOURCE  0x0f
#define IIR_FIFO    0xc0
#define FCR_ENABLE  0x01
#define FCR_CLEAR_R 0x02
#define FCR_CLEAR_T 0x04
#define LCR_8N1     0x03
#define LCR_DLAB    0x80
#define MCR_DTR_RTS 0x03
#define MCR_LOOP    0x10
/* MSR in loopback: CTS DSR RI DCD are RTS DTR OUT1 OUT2. */
#define MODEM_LOOPED(mcr) (((mcr)&2) << 3 | ((mcr)&1) << 5 | ((mcr)&4) << 4 | ((mcr)&8) << 4)
#define MSR_READY         0xb0 /* DCD, DSR, CTS: somebody is there */
#define LSR_DR            0x01
#define LSR_ERRORS        0x1e /* overrun, parity, framing, break */
#define LSR_THRE          0x20
#define LSR_TEMT          0x40
#define LSR_FIFO          0x80 /* an error is somewhere in the FIFO */

u8 uart_read(const struct boot_uart *uart, u32 reg);
void uart_write(const struct boot_uart *uart, u32 reg, u8 value);

/* Sets the line if cede.conf names a baud rate; else it stays as the firmware set it. */
void uart_init(const struct boot_uart *uart);

/* The divisor latch, with LCR as it must be afterwards (without DLAB). */
u16 uart_divisor(const struct boot_uart *uart, u8 lcr);
void uart_set_divisor(const struct boot_uart *uart, u16 divisor, u8 lcr);

/* Sends one byte. Gives up on a transmitter that stays busy: a missing or wedged UART must not hang
 * a core. */
void uart_put(const struct boot_uart *uart, u8 byte);

#endif
